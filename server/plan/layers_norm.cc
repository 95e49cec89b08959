#include "server/plan/layer_texts.h"

namespace torchferry::plan {

const std::string_view kNormLayers = R"py(
class _BatchNorm:
    def __init__(self, num_features, eps, momentum, affine, track_running_stats):
        self.weight = nn.Parameter(torch.empty(num_features)) if affine else None
        self.bias = nn.Parameter(torch.empty(num_features)) if affine else None
        self.by_batch = not track_running_stats
        self.running_mean = None
        self.running_var = None
        if track_running_stats:
            self.register_buffer('running_mean', torch.empty(num_features))
            self.register_buffer('running_var', torch.empty(num_features))
            self.register_buffer('num_batches_tracked', torch.empty(()))

    def normalized(self, input: Tensor) -> Tensor:
        return torch.batch_norm(input, self.weight, self.bias, self.running_mean, self.running_var, self.by_batch, 0.1,
                                self.eps, False)


class BatchNorm1d(_BatchNorm):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True, device=None,
                 dtype=None):
        super().__init__(num_features, eps, momentum, affine, track_running_stats)

    def forward(self, input: Tensor) -> Tensor:
        if input.dim() != 2 and input.dim() != 3:
            raise ValueError("BatchNorm1d takes tensors of 2 or 3 dimensions")
        return self.normalized(input)


class BatchNorm2d(_BatchNorm):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True, device=None,
                 dtype=None):
        super().__init__(num_features, eps, momentum, affine, track_running_stats)

    def forward(self, input: Tensor) -> Tensor:
        if input.dim() != 4:
            raise ValueError("BatchNorm2d takes tensors of 4 dimensions")
        return self.normalized(input)


class BatchNorm3d(_BatchNorm):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True, device=None,
                 dtype=None):
        super().__init__(num_features, eps, momentum, affine, track_running_stats)

    def forward(self, input: Tensor) -> Tensor:
        if input.dim() != 5:
            raise ValueError("BatchNorm3d takes tensors of 5 dimensions")
        return self.normalized(input)


class SyncBatchNorm(_BatchNorm):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True, process_group=None,
                 device=None, dtype=None):
        super().__init__(num_features, eps, momentum, affine, track_running_stats)

    def forward(self, input: Tensor) -> Tensor:
        return self.normalized(input)


class _InstanceNorm:
    def __init__(self, n, num_features, eps, affine, track_running_stats):
        self.weight = nn.Parameter(torch.empty(num_features)) if affine else None
        self.bias = nn.Parameter(torch.empty(num_features)) if affine else None
        self.by_input = not track_running_stats
        self.running_mean = None
        self.running_var = None
        if track_running_stats:
            self.register_buffer('running_mean', torch.empty(num_features))
            self.register_buffer('running_var', torch.empty(num_features))
            self.register_buffer('num_batches_tracked', torch.empty(()))

    def normalized(self, input: Tensor) -> Tensor:
        return torch.instance_norm(input, self.weight, self.bias, self.running_mean, self.running_var, self.by_input,
                                   0.1, self.eps, False)

    def forward(self, input: Tensor) -> Tensor:
        if input.dim() == self.n + 1:
            return self.normalized(input.unsqueeze(0)).squeeze(0)
        if input.dim() != self.n + 2:
            raise ValueError("InstanceNorm takes a batch, or one row without the dimension of the batch")
        return self.normalized(input)


class InstanceNorm1d(_InstanceNorm):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=False, track_running_stats=False, device=None,
                 dtype=None):
        super().__init__(1, num_features, eps, affine, track_running_stats)


class InstanceNorm2d(_InstanceNorm):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=False, track_running_stats=False, device=None,
                 dtype=None):
        super().__init__(2, num_features, eps, affine, track_running_stats)


class InstanceNorm3d(_InstanceNorm):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=False, track_running_stats=False, device=None,
                 dtype=None):
        super().__init__(3, num_features, eps, affine, track_running_stats)


class LayerNorm:
    def __init__(self, normalized_shape, eps=1e-5, elementwise_affine=True, bias=True, device=None, dtype=None):
        self.sizes = [normalized_shape] if isinstance(normalized_shape, int) else list(normalized_shape)
        self.weight = nn.Parameter(torch.empty(self.sizes)) if elementwise_affine else None
        self.bias = nn.Parameter(torch.empty(self.sizes)) if elementwise_affine and bias else None

    def forward(self, input: Tensor) -> Tensor:
        return torch.layer_norm(input, self.sizes, self.weight, self.bias, self.eps, False)


class RMSNorm:
    def __init__(self, normalized_shape, eps=None, elementwise_affine=True, device=None, dtype=None):
        self.sizes = [normalized_shape] if isinstance(normalized_shape, int) else list(normalized_shape)
        self.weight = nn.Parameter(torch.empty(self.sizes)) if elementwise_affine else None

    def forward(self, input: Tensor) -> Tensor:
        return torch.rms_norm(input, self.sizes, self.weight, self.eps)


class GroupNorm:
    def __init__(self, num_groups, num_channels, eps=1e-5, affine=True, device=None, dtype=None):
        if num_channels % num_groups != 0:
            raise ValueError(f"num_channels={num_channels} is to be divisible by num_groups={num_groups}")
        self.weight = nn.Parameter(torch.empty(num_channels)) if affine else None
        self.bias = nn.Parameter(torch.empty(num_channels)) if affine else None

    def forward(self, input: Tensor) -> Tensor:
        return torch.group_norm(input, self.num_groups, self.weight, self.bias, self.eps, False)


class LocalResponseNorm:
    def __init__(self, size, alpha=1e-4, beta=0.75, k=1.0):
        pass

    def forward(self, input: Tensor) -> Tensor:
        squares = torch.mul(input, input).unsqueeze(1)
        if input.dim() == 3:
            padded = torch.pad(squares, [0, 0, self.size // 2, (self.size - 1) // 2])
            mean = torch.avg_pool2d(padded, [self.size, 1], [1, 1]).squeeze(1)
        else:
            flat = squares.view(input.size(0), 1, input.size(1), input.size(2), -1)
            padded = torch.pad(flat, [0, 0, 0, 0, self.size // 2, (self.size - 1) // 2])
            mean = torch.avg_pool3d(padded, [self.size, 1, 1], [1, 1, 1]).squeeze(1).view(input.size())
        return torch.div(input, torch.pow(torch.add(torch.mul(mean, self.alpha), self.k), self.beta))
)py";

}  // namespace torchferry::plan
