#include "server/plan/layer_texts.h"

namespace torchferry::plan {

const std::string_view kActivationLayers = R"py(
class ReLU:
    def __init__(self, inplace=False):
        pass

    def forward(self, input: Tensor) -> Tensor:
        return torch.relu(input)


class ReLU6:
    def __init__(self, inplace=False):
        pass

    def forward(self, input: Tensor) -> Tensor:
        return torch.hardtanh(input, 0.0, 6.0)


class LeakyReLU:
    def __init__(self, negative_slope=0.01, inplace=False):
        pass

    def forward(self, input: Tensor) -> Tensor:
        return torch.leaky_relu(input, self.negative_slope)


class ELU:
    def __init__(self, alpha=1.0, inplace=False):
        pass

    def forward(self, input: Tensor) -> Tensor:
        return torch.elu(input, self.alpha)


class CELU:
    def __init__(self, alpha=1.0, inplace=False):
        pass

    def forward(self, input: Tensor) -> Tensor:
        return torch.celu(input, self.alpha)


class SELU:
    def __init__(self, inplace=False):
        pass

    def forward(self, input: Tensor) -> Tensor:
        return torch.selu(input)


class GELU:
    def __init__(self, approximate='none'):
        pass

    def forward(self, input: Tensor) -> Tensor:
        return torch.gelu(input, approximate=self.approximate)


class SiLU:
    def __init__(self, inplace=False):
        pass

    def forward(self, input: Tensor) -> Tensor:
        return torch.silu(input)


class Mish:
    def __init__(self, inplace=False):
        pass

    def forward(self, input: Tensor) -> Tensor:
        return torch.mish(input)


class Sigmoid:
    def __init__(self):
        pass

    def forward(self, input: Tensor) -> Tensor:
        return torch.sigmoid(input)


class LogSigmoid:
    def __init__(self):
        pass

    def forward(self, input: Tensor) -> Tensor:
        return torch.log_sigmoid(input)


class Tanh:
    def __init__(self):
        pass

    def forward(self, input: Tensor) -> Tensor:
        return torch.tanh(input)


class Tanhshrink:
    def __init__(self):
        pass

    def forward(self, input: Tensor) -> Tensor:
        return torch.sub(input, torch.tanh(input))


class Softplus:
    def __init__(self, beta=1.0, threshold=20.0):
        pass

    def forward(self, input: Tensor) -> Tensor:
        return torch.softplus(input, self.beta, self.threshold)


class Softsign:
    def __init__(self):
        pass

    def forward(self, input: Tensor) -> Tensor:
        return torch.div(input, torch.add(torch.abs(input), 1))


class Softshrink:
    def __init__(self, lambd=0.5):
        pass

    def forward(self, input: Tensor) -> Tensor:
        return torch.softshrink(input, self.lambd)


class Hardshrink:
    def __init__(self, lambd=0.5):
        pass

    def forward(self, input: Tensor) -> Tensor:
        return torch.hardshrink(input, self.lambd)


class Hardsigmoid:
    def __init__(self, inplace=False):
        pass

    def forward(self, input: Tensor) -> Tensor:
        return torch.hardsigmoid(input)


class Hardswish:
    def __init__(self, inplace=False):
        pass

    def forward(self, input: Tensor) -> Tensor:
        return torch.hardswish(input)


class Threshold:
    def __init__(self, threshold, value, inplace=False):
        pass

    def forward(self, input: Tensor) -> Tensor:
        return torch.threshold(input, self.threshold, self.value)


class GLU:
    def __init__(self, dim=-1):
        pass

    def forward(self, input: Tensor) -> Tensor:
        return torch.glu(input, self.dim)


class RReLU:
    def __init__(self, lower=0.125, upper=0.3333333333333333, inplace=False):
        pass

    def forward(self, input: Tensor) -> Tensor:
        return torch.leaky_relu(input, (self.lower + self.upper) / 2)


class Hardtanh:
    def __init__(self, min_val=-1.0, max_val=1.0, inplace=False, min_value=None, max_value=None):
        self.lowest = min_val if min_value is None else min_value
        self.highest = max_val if max_value is None else max_value

    def forward(self, input: Tensor) -> Tensor:
        return torch.hardtanh(input, self.lowest, self.highest)


class PReLU:
    def __init__(self, num_parameters=1, init=0.25, device=None, dtype=None):
        self.weight = nn.Parameter(torch.empty(num_parameters))

    def forward(self, input: Tensor) -> Tensor:
        return torch.prelu(input, self.weight)


class _Softmax:
    def __init__(self, dim):
        self.has_dim = dim is not None

    def along(self, input: Tensor) -> int:
        if self.has_dim:
            return self.dim
        else:
            return 0 if input.dim() == 0 or input.dim() == 1 or input.dim() == 3 else 1


class Softmax(_Softmax):
    def __init__(self, dim=None):
        super().__init__(dim)

    def forward(self, input: Tensor) -> Tensor:
        return torch.softmax(input, self.along(input))


class Softmin(_Softmax):
    def __init__(self, dim=None):
        super().__init__(dim)

    def forward(self, input: Tensor) -> Tensor:
        return torch.softmax(torch.neg(input), self.along(input))


class LogSoftmax(_Softmax):
    def __init__(self, dim=None):
        super().__init__(dim)

    def forward(self, input: Tensor) -> Tensor:
        return torch.log_softmax(input, self.along(input))


class Softmax2d:
    def __init__(self):
        pass

    def forward(self, input: Tensor) -> Tensor:
        return torch.softmax(input, -3)


class Dropout:
    def __init__(self, p=0.5, inplace=False):
        pass

    def forward(self, input: Tensor) -> Tensor:
        return input


class Dropout1d:
    def __init__(self, p=0.5, inplace=False):
        pass

    def forward(self, input: Tensor) -> Tensor:
        return input


class Dropout2d:
    def __init__(self, p=0.5, inplace=False):
        pass

    def forward(self, input: Tensor) -> Tensor:
        return input


class Dropout3d:
    def __init__(self, p=0.5, inplace=False):
        pass

    def forward(self, input: Tensor) -> Tensor:
        return input


class AlphaDropout:
    def __init__(self, p=0.5, inplace=False):
        pass

    def forward(self, input: Tensor) -> Tensor:
        return input


class FeatureAlphaDropout:
    def __init__(self, p=0.5, inplace=False):
        pass

    def forward(self, input: Tensor) -> Tensor:
        return input
)py";

}  // namespace torchferry::plan
