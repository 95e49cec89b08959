#include "server/plan/layer_texts.h"

namespace torchferry::plan {

// `flat_weights` names tensors: in the forward pass it is the list of them.
const std::string_view kRecurrentLayers = R"py(
class _Recurrent:
    def __init__(self, gates, input_size, hidden_size, num_layers, bias, bidirectional, proj_size):
        self.flat_weights = []
        self.directions = 2 if bidirectional else 1
        self.result_size = proj_size if proj_size > 0 else hidden_size
        for layer in range(num_layers):
            width = input_size if layer == 0 else self.result_size * self.directions
            for suffix in ['', '_reverse'] if bidirectional else ['']:
                self._add(f"weight_ih_l{layer}{suffix}", gates * hidden_size, width)
                self._add(f"weight_hh_l{layer}{suffix}", gates * hidden_size, self.result_size)
                if bias:
                    self._add(f"bias_ih_l{layer}{suffix}", gates * hidden_size)
                    self._add(f"bias_hh_l{layer}{suffix}", gates * hidden_size)
                if proj_size > 0:
                    self._add(f"weight_hr_l{layer}{suffix}", proj_size, hidden_size)

    def _add(self, name, *sizes):
        self.register_parameter(name, nn.Parameter(torch.empty(*sizes)))
        self.flat_weights.append(name)

    def start(self, input: Tensor, size: int) -> Tensor:
        batch = input.size(0 if self.batch_first else 1)
        return torch.zeros([self.num_layers * self.directions, batch, size], dtype=input.dtype, device=input.device)

    def check(self, input: Tensor):
        if input.dim() != 2 and input.dim() != 3:
            raise ValueError("a recurrent layer takes a tensor of 2 or 3 dimensions")


class LSTM(_Recurrent):
    def __init__(self, input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0,
                 bidirectional=False, proj_size=0, device=None, dtype=None):
        super().__init__(4, input_size, hidden_size, num_layers, bias, bidirectional, proj_size)

    def forward(self, input: Tensor,
                hx: Optional[Tuple[Tensor, Tensor]] = None) -> Tuple[Tensor, Tuple[Tensor, Tensor]]:
        self.check(input)
        is_batched = input.dim() == 3
        batch_dim = 0 if self.batch_first else 1
        if not is_batched:
            input = input.unsqueeze(batch_dim)
        if hx is None:
            h = self.start(input, self.result_size)
            c = self.start(input, self.hidden_size)
        else:
            h, c = hx
            if not is_batched:
                h = h.unsqueeze(1)
                c = c.unsqueeze(1)
        output, h, c = torch.lstm(input, [h, c], self.flat_weights, self.bias, self.num_layers, 0.0, False,
                                  self.bidirectional, self.batch_first)
        if not is_batched:
            return output.squeeze(batch_dim), (h.squeeze(1), c.squeeze(1))
        return output, (h, c)


class _OneState(_Recurrent):
    def states(self, input: Tensor, hx: Optional[Tensor], is_batched: bool) -> Tensor:
        if hx is None:
            return self.start(input, self.hidden_size)
        elif is_batched:
            return hx
        else:
            return hx.unsqueeze(1)

    def forward(self, input: Tensor, hx: Optional[Tensor] = None) -> Tuple[Tensor, Tensor]:
        self.check(input)
        is_batched = input.dim() == 3
        batch_dim = 0 if self.batch_first else 1
        if not is_batched:
            input = input.unsqueeze(batch_dim)
        output, h = self.run(input, self.states(input, hx, is_batched))
        if not is_batched:
            return output.squeeze(batch_dim), h.squeeze(1)
        return output, h


class GRU(_OneState):
    def __init__(self, input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0,
                 bidirectional=False, device=None, dtype=None):
        super().__init__(3, input_size, hidden_size, num_layers, bias, bidirectional, 0)

    def run(self, input: Tensor, h: Tensor) -> Tuple[Tensor, Tensor]:
        return torch.gru(input, h, self.flat_weights, self.bias, self.num_layers, 0.0, False, self.bidirectional,
                         self.batch_first)


class RNN(_OneState):
    def __init__(self, input_size, hidden_size, num_layers=1, nonlinearity='tanh', bias=True, batch_first=False,
                 dropout=0.0, bidirectional=False, device=None, dtype=None):
        if nonlinearity not in ('tanh', 'relu'):
            raise ValueError("the nonlinearity of an RNN is 'tanh' or 'relu'")
        super().__init__(1, input_size, hidden_size, num_layers, bias, bidirectional, 0)

    def run(self, input: Tensor, h: Tensor) -> Tuple[Tensor, Tensor]:
        if self.nonlinearity == 'tanh':
            return torch.rnn_tanh(input, h, self.flat_weights, self.bias, self.num_layers, 0.0, False,
                                  self.bidirectional, self.batch_first)
        else:
            return torch.rnn_relu(input, h, self.flat_weights, self.bias, self.num_layers, 0.0, False,
                                  self.bidirectional, self.batch_first)


class _Cell:
    def __init__(self, gates, input_size, hidden_size, bias):
        self.weight_ih = nn.Parameter(torch.empty(gates * hidden_size, input_size))
        self.weight_hh = nn.Parameter(torch.empty(gates * hidden_size, hidden_size))
        self.bias_ih = nn.Parameter(torch.empty(gates * hidden_size)) if bias else None
        self.bias_hh = nn.Parameter(torch.empty(gates * hidden_size)) if bias else None

    def start(self, input: Tensor) -> Tensor:
        return torch.zeros([input.size(0), self.hidden_size], dtype=input.dtype, device=input.device)


class LSTMCell(_Cell):
    def __init__(self, input_size, hidden_size, bias=True, device=None, dtype=None):
        super().__init__(4, input_size, hidden_size, bias)

    def forward(self, input: Tensor, hx: Optional[Tuple[Tensor, Tensor]] = None) -> Tuple[Tensor, Tensor]:
        is_batched = input.dim() == 2
        if not is_batched:
            input = input.unsqueeze(0)
        if hx is None:
            h = self.start(input)
            c = self.start(input)
        else:
            h, c = hx
            if not is_batched:
                h = h.unsqueeze(0)
                c = c.unsqueeze(0)
        h, c = torch.lstm_cell(input, [h, c], self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        if not is_batched:
            return h.squeeze(0), c.squeeze(0)
        return h, c


class _OneStateCell(_Cell):
    def forward(self, input: Tensor, hx: Optional[Tensor] = None) -> Tensor:
        is_batched = input.dim() == 2
        if not is_batched:
            input = input.unsqueeze(0)
        if hx is None:
            h = self.start(input)
        elif is_batched:
            h = hx
        else:
            h = hx.unsqueeze(0)
        h = self.run(input, h)
        return h if is_batched else h.squeeze(0)


class GRUCell(_OneStateCell):
    def __init__(self, input_size, hidden_size, bias=True, device=None, dtype=None):
        super().__init__(3, input_size, hidden_size, bias)

    def run(self, input: Tensor, h: Tensor) -> Tensor:
        return torch.gru_cell(input, h, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)


class RNNCell(_OneStateCell):
    def __init__(self, input_size, hidden_size, bias=True, nonlinearity='tanh', device=None, dtype=None):
        if nonlinearity not in ('tanh', 'relu'):
            raise ValueError("the nonlinearity of an RNNCell is 'tanh' or 'relu'")
        super().__init__(1, input_size, hidden_size, bias)

    def run(self, input: Tensor, h: Tensor) -> Tensor:
        if self.nonlinearity == 'tanh':
            return torch.rnn_tanh_cell(input, h, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        else:
            return torch.rnn_relu_cell(input, h, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
)py";

}  // namespace torchferry::plan
