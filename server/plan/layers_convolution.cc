#include "server/plan/layer_texts.h"

namespace torchferry::plan {

const std::string_view kConvolutionLayers = R"py(
class _Conv:
    def __init__(self, n, in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
                 padding_mode):
        if in_channels % groups != 0 or out_channels % groups != 0:
            raise ValueError(f"in_channels={in_channels} and out_channels={out_channels} are to be divisible by "
                             f"groups={groups}")
        self.kernel_size = _numbers(kernel_size, n)
        self.stride = _numbers(stride, n)
        self.dilation = _numbers(dilation, n)
        self.pads = []
        self.pad_mode = 'constant' if padding_mode == 'zeros' else padding_mode
        if padding == 'same':
            for size, step in reversed(list(zip(self.kernel_size, self.dilation))):
                total = step * (size - 1)
                self.pads += [total // 2, total - total // 2]
        elif padding_mode != 'zeros' and padding != 'valid':
            for each in reversed(_numbers(padding, n)):
                self.pads += [each, each]
        self.is_padded = len(self.pads) > 0
        self.padding = [0] * n if self.is_padded or padding == 'valid' else _numbers(padding, n)
        self.weight = nn.Parameter(torch.empty([out_channels, in_channels // groups] + self.kernel_size))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None


class Conv1d(_Conv):
    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True,
                 padding_mode='zeros', device=None, dtype=None):
        super().__init__(1, in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
                         padding_mode)

    def forward(self, input: Tensor) -> Tensor:
        if self.is_padded:
            input = torch.pad(input, self.pads, self.pad_mode)
        return torch.conv1d(input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class Conv2d(_Conv):
    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True,
                 padding_mode='zeros', device=None, dtype=None):
        super().__init__(2, in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
                         padding_mode)

    def forward(self, input: Tensor) -> Tensor:
        if self.is_padded:
            input = torch.pad(input, self.pads, self.pad_mode)
        return torch.conv2d(input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class Conv3d(_Conv):
    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True,
                 padding_mode='zeros', device=None, dtype=None):
        super().__init__(3, in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
                         padding_mode)

    def forward(self, input: Tensor) -> Tensor:
        if self.is_padded:
            input = torch.pad(input, self.pads, self.pad_mode)
        return torch.conv3d(input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class _ConvTranspose:
    def __init__(self, n, in_channels, out_channels, kernel_size, stride, padding, output_padding, groups, bias,
                 dilation, padding_mode):
        if padding_mode != 'zeros':
            raise ValueError("a transposed convolution knows padding_mode='zeros' alone")
        if in_channels % groups != 0 or out_channels % groups != 0:
            raise ValueError(f"in_channels={in_channels} and out_channels={out_channels} are to be divisible by "
                             f"groups={groups}")
        self.kernel_size = _numbers(kernel_size, n)
        self.stride = _numbers(stride, n)
        self.padding = _numbers(padding, n)
        self.output_padding = _numbers(output_padding, n)
        self.dilation = _numbers(dilation, n)
        self.weight = nn.Parameter(torch.empty([in_channels, out_channels // groups] + self.kernel_size))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None

    def extra(self, input: Tensor, output_size: Optional[List[int]]) -> List[int]:
        if output_size is None:
            return self.output_padding
        extra: List[int] = []
        for i in range(self.n):
            smallest = ((input.size(i - self.n) - 1) * self.stride[i] - 2 * self.padding[i]
                        + self.dilation[i] * (self.kernel_size[i] - 1) + 1)
            extra.append(output_size[len(output_size) - self.n + i] - smallest)
        return extra


class ConvTranspose1d(_ConvTranspose):
    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, output_padding=0, groups=1,
                 bias=True, dilation=1, padding_mode='zeros', device=None, dtype=None):
        super().__init__(1, in_channels, out_channels, kernel_size, stride, padding, output_padding, groups, bias,
                         dilation, padding_mode)

    def forward(self, input: Tensor, output_size: Optional[List[int]] = None) -> Tensor:
        return torch.conv_transpose1d(input, self.weight, self.bias, self.stride, self.padding,
                                      self.extra(input, output_size), self.groups, self.dilation)


class ConvTranspose2d(_ConvTranspose):
    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, output_padding=0, groups=1,
                 bias=True, dilation=1, padding_mode='zeros', device=None, dtype=None):
        super().__init__(2, in_channels, out_channels, kernel_size, stride, padding, output_padding, groups, bias,
                         dilation, padding_mode)

    def forward(self, input: Tensor, output_size: Optional[List[int]] = None) -> Tensor:
        return torch.conv_transpose2d(input, self.weight, self.bias, self.stride, self.padding,
                                      self.extra(input, output_size), self.groups, self.dilation)


class ConvTranspose3d(_ConvTranspose):
    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, output_padding=0, groups=1,
                 bias=True, dilation=1, padding_mode='zeros', device=None, dtype=None):
        super().__init__(3, in_channels, out_channels, kernel_size, stride, padding, output_padding, groups, bias,
                         dilation, padding_mode)

    def forward(self, input: Tensor, output_size: Optional[List[int]] = None) -> Tensor:
        return torch.conv_transpose3d(input, self.weight, self.bias, self.stride, self.padding,
                                      self.extra(input, output_size), self.groups, self.dilation)


class Upsample:
    def __init__(self, size=None, scale_factor=None, mode='nearest', align_corners=None, recompute_scale_factor=None):
        if mode not in ('nearest', 'linear', 'bilinear', 'bicubic', 'trilinear', 'nearest-exact'):
            raise ValueError(f"the mode {mode} of Upsample is not known")
        if recompute_scale_factor:
            raise ValueError("recompute_scale_factor is not known here; write the size")
        if (size is None) == (scale_factor is None):
            raise ValueError("Upsample takes either size or scale_factor")
        self.sizes = [] if size is None else [size] if isinstance(size, int) else list(size)
        self.scales = ([] if scale_factor is None else [float(scale_factor)]
                       if isinstance(scale_factor, int) or isinstance(scale_factor, float)
                       else [float(each) for each in scale_factor])
        self.has_size = size is not None
        self.corners = bool(align_corners)

    def forward(self, input: Tensor) -> Tensor:
        n = input.dim() - 2
        size: Optional[List[int]] = None
        scale: Optional[List[float]] = None
        if self.has_size:
            size = self.sizes * n if len(self.sizes) == 1 else self.sizes
        else:
            scale = self.scales * n if len(self.scales) == 1 else self.scales
        if self.mode == 'nearest':
            if n == 1:
                return torch.upsample_nearest1d(input, size, scale)
            if n == 2:
                return torch.upsample_nearest2d(input, size, scale)
            return torch.upsample_nearest3d(input, size, scale)
        if self.mode == 'nearest-exact':
            if n == 1:
                return torch._upsample_nearest_exact1d(input, size, scale)
            if n == 2:
                return torch._upsample_nearest_exact2d(input, size, scale)
            return torch._upsample_nearest_exact3d(input, size, scale)
        if self.mode == 'linear':
            return torch.upsample_linear1d(input, size, self.corners, scale)
        if self.mode == 'bilinear':
            return torch.upsample_bilinear2d(input, size, self.corners, scale)
        if self.mode == 'bicubic':
            return torch.upsample_bicubic2d(input, size, self.corners, scale)
        return torch.upsample_trilinear3d(input, size, self.corners, scale)


class UpsamplingNearest2d(Upsample):
    def __init__(self, size=None, scale_factor=None):
        super().__init__(size, scale_factor, mode='nearest')


class UpsamplingBilinear2d(Upsample):
    def __init__(self, size=None, scale_factor=None):
        super().__init__(size, scale_factor, mode='bilinear', align_corners=True)


class PixelShuffle:
    def __init__(self, upscale_factor):
        pass

    def forward(self, input: Tensor) -> Tensor:
        return torch.pixel_shuffle(input, self.upscale_factor)


class PixelUnshuffle:
    def __init__(self, downscale_factor):
        pass

    def forward(self, input: Tensor) -> Tensor:
        return torch.pixel_unshuffle(input, self.downscale_factor)


class ChannelShuffle:
    def __init__(self, groups):
        pass

    def forward(self, input: Tensor) -> Tensor:
        return torch.channel_shuffle(input, self.groups)


class Unfold:
    def __init__(self, kernel_size, dilation=1, padding=0, stride=1):
        self.kernel_size = _numbers(kernel_size, 2)
        self.dilation = _numbers(dilation, 2)
        self.padding = _numbers(padding, 2)
        self.stride = _numbers(stride, 2)

    def forward(self, input: Tensor) -> Tensor:
        return torch.im2col(input, self.kernel_size, self.dilation, self.padding, self.stride)


class Fold:
    def __init__(self, output_size, kernel_size, dilation=1, padding=0, stride=1):
        self.output_size = _numbers(output_size, 2)
        self.kernel_size = _numbers(kernel_size, 2)
        self.dilation = _numbers(dilation, 2)
        self.padding = _numbers(padding, 2)
        self.stride = _numbers(stride, 2)

    def forward(self, input: Tensor) -> Tensor:
        return torch.col2im(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)


class _Pad:
    def __init__(self, n, padding, mode):
        self.pads = _numbers(padding, 2 * n)

    def forward(self, input: Tensor) -> Tensor:
        return torch.pad(input, self.pads, self.mode)


class ZeroPad1d(_Pad):
    def __init__(self, padding):
        super().__init__(1, padding, 'constant')


class ZeroPad2d(_Pad):
    def __init__(self, padding):
        super().__init__(2, padding, 'constant')


class ZeroPad3d(_Pad):
    def __init__(self, padding):
        super().__init__(3, padding, 'constant')


class ReflectionPad1d(_Pad):
    def __init__(self, padding):
        super().__init__(1, padding, 'reflect')


class ReflectionPad2d(_Pad):
    def __init__(self, padding):
        super().__init__(2, padding, 'reflect')


class ReflectionPad3d(_Pad):
    def __init__(self, padding):
        super().__init__(3, padding, 'reflect')


class ReplicationPad1d(_Pad):
    def __init__(self, padding):
        super().__init__(1, padding, 'replicate')


class ReplicationPad2d(_Pad):
    def __init__(self, padding):
        super().__init__(2, padding, 'replicate')


class ReplicationPad3d(_Pad):
    def __init__(self, padding):
        super().__init__(3, padding, 'replicate')


class CircularPad1d(_Pad):
    def __init__(self, padding):
        super().__init__(1, padding, 'circular')


class CircularPad2d(_Pad):
    def __init__(self, padding):
        super().__init__(2, padding, 'circular')


class CircularPad3d(_Pad):
    def __init__(self, padding):
        super().__init__(3, padding, 'circular')


class ConstantPad1d:
    def __init__(self, padding, value):
        self.pads = _numbers(padding, 2)
        self.fill = float(value)

    def forward(self, input: Tensor) -> Tensor:
        return torch.pad(input, self.pads, 'constant', self.fill)


class ConstantPad2d:
    def __init__(self, padding, value):
        self.pads = _numbers(padding, 4)
        self.fill = float(value)

    def forward(self, input: Tensor) -> Tensor:
        return torch.pad(input, self.pads, 'constant', self.fill)


class ConstantPad3d:
    def __init__(self, padding, value):
        self.pads = _numbers(padding, 6)
        self.fill = float(value)

    def forward(self, input: Tensor) -> Tensor:
        return torch.pad(input, self.pads, 'constant', self.fill)
)py";

}  // namespace torchferry::plan
