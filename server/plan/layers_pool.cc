#include "server/plan/layer_texts.h"

namespace torchferry::plan {

const std::string_view kPoolLayers = R"py(
class _MaxPool:
    def __init__(self, n, kernel_size, stride, padding, dilation):
        self.kernel_size = _numbers(kernel_size, n)
        self.stride = self.kernel_size if stride is None else _numbers(stride, n)
        self.padding = _numbers(padding, n)
        self.dilation = _numbers(dilation, n)


class MaxPool1d(_MaxPool):
    def __init__(self, kernel_size, stride=None, padding=0, dilation=1, return_indices=False, ceil_mode=False):
        super().__init__(1, kernel_size, stride, padding, dilation)

    def forward(self, input: Tensor):
        if self.return_indices:
            return torch.max_pool1d_with_indices(input, self.kernel_size, self.stride, self.padding, self.dilation,
                                                 self.ceil_mode)
        else:
            return torch.max_pool1d(input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)


class MaxPool2d(_MaxPool):
    def __init__(self, kernel_size, stride=None, padding=0, dilation=1, return_indices=False, ceil_mode=False):
        super().__init__(2, kernel_size, stride, padding, dilation)

    def forward(self, input: Tensor):
        if self.return_indices:
            return torch.max_pool2d_with_indices(input, self.kernel_size, self.stride, self.padding, self.dilation,
                                                 self.ceil_mode)
        else:
            return torch.max_pool2d(input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)


class MaxPool3d(_MaxPool):
    def __init__(self, kernel_size, stride=None, padding=0, dilation=1, return_indices=False, ceil_mode=False):
        super().__init__(3, kernel_size, stride, padding, dilation)

    def forward(self, input: Tensor):
        if self.return_indices:
            return torch.max_pool3d_with_indices(input, self.kernel_size, self.stride, self.padding, self.dilation,
                                                 self.ceil_mode)
        else:
            return torch.max_pool3d(input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)


class AvgPool1d:
    def __init__(self, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
        self.kernel_size = _numbers(kernel_size, 1)
        self.stride = self.kernel_size if stride is None else _numbers(stride, 1)
        self.padding = _numbers(padding, 1)

    def forward(self, input: Tensor) -> Tensor:
        return torch.avg_pool1d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode,
                                self.count_include_pad)


class AvgPool2d:
    def __init__(self, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True,
                 divisor_override=None):
        self.kernel_size = _numbers(kernel_size, 2)
        self.stride = self.kernel_size if stride is None else _numbers(stride, 2)
        self.padding = _numbers(padding, 2)

    def forward(self, input: Tensor) -> Tensor:
        return torch.avg_pool2d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode,
                                self.count_include_pad, self.divisor_override)


class AvgPool3d:
    def __init__(self, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True,
                 divisor_override=None):
        self.kernel_size = _numbers(kernel_size, 3)
        self.stride = self.kernel_size if stride is None else _numbers(stride, 3)
        self.padding = _numbers(padding, 3)

    def forward(self, input: Tensor) -> Tensor:
        return torch.avg_pool3d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode,
                                self.count_include_pad, self.divisor_override)


class _AdaptivePool:
    def __init__(self, n, output_size):
        if isinstance(output_size, int) or output_size is None:
            output_size = [output_size] * n
        self.sizes = [-1 if size is None else size for size in output_size]

    def target(self, input: Tensor) -> List[int]:
        sizes: List[int] = []
        for i in range(self.n):
            sizes.append(input.size(i - self.n) if self.sizes[i] < 0 else self.sizes[i])
        return sizes


class AdaptiveAvgPool1d(_AdaptivePool):
    def __init__(self, output_size):
        super().__init__(1, output_size)

    def forward(self, input: Tensor) -> Tensor:
        return torch.adaptive_avg_pool1d(input, self.target(input))


class AdaptiveMaxPool1d(_AdaptivePool):
    def __init__(self, output_size, return_indices=False):
        super().__init__(1, output_size)

    def forward(self, input: Tensor):
        if self.return_indices:
            return torch.adaptive_max_pool1d(input, self.target(input))
        else:
            return torch.adaptive_max_pool1d(input, self.target(input))[0]


class AdaptiveAvgPool2d(_AdaptivePool):
    def __init__(self, output_size):
        super().__init__(2, output_size)

    def forward(self, input: Tensor) -> Tensor:
        return torch.adaptive_avg_pool2d(input, self.target(input))


class AdaptiveMaxPool2d(_AdaptivePool):
    def __init__(self, output_size, return_indices=False):
        super().__init__(2, output_size)

    def forward(self, input: Tensor):
        if self.return_indices:
            return torch.adaptive_max_pool2d(input, self.target(input))
        else:
            return torch.adaptive_max_pool2d(input, self.target(input))[0]


class AdaptiveAvgPool3d(_AdaptivePool):
    def __init__(self, output_size):
        super().__init__(3, output_size)

    def forward(self, input: Tensor) -> Tensor:
        return torch.adaptive_avg_pool3d(input, self.target(input))


class AdaptiveMaxPool3d(_AdaptivePool):
    def __init__(self, output_size, return_indices=False):
        super().__init__(3, output_size)

    def forward(self, input: Tensor):
        if self.return_indices:
            return torch.adaptive_max_pool3d(input, self.target(input))
        else:
            return torch.adaptive_max_pool3d(input, self.target(input))[0]
)py";

}  // namespace torchferry::plan
