# Pooling of torch.nn.functional. A stride that is not given is the kernel's size.


def stride_of(stride: Optional[List[int]]) -> List[int]:
    if stride is None:
        return annotate(List[int], [])
    return stride


def F_max_pool1d(input: Tensor, kernel_size: BroadcastingList1[int], stride: Optional[BroadcastingList1[int]],
                 padding: BroadcastingList1[int], dilation: BroadcastingList1[int], ceil_mode: bool) -> Tensor:
    return torch.max_pool1d(input, kernel_size, stride_of(stride), padding, dilation, ceil_mode)


def F_max_pool1d__return_indices(
        input: Tensor, kernel_size: BroadcastingList1[int], stride: Optional[BroadcastingList1[int]],
        padding: BroadcastingList1[int], dilation: BroadcastingList1[int], ceil_mode: bool) -> Tuple[Tensor, Tensor]:
    return torch.max_pool1d_with_indices(input, kernel_size, stride_of(stride), padding, dilation, ceil_mode)


def F_max_pool1d_with_indices(
        input: Tensor, kernel_size: BroadcastingList1[int], stride: Optional[BroadcastingList1[int]],
        padding: BroadcastingList1[int], dilation: BroadcastingList1[int], ceil_mode: bool) -> Tuple[Tensor, Tensor]:
    return torch.max_pool1d_with_indices(input, kernel_size, stride_of(stride), padding, dilation, ceil_mode)


def F_max_pool2d(input: Tensor, kernel_size: BroadcastingList2[int], stride: Optional[BroadcastingList2[int]],
                 padding: BroadcastingList2[int], dilation: BroadcastingList2[int], ceil_mode: bool) -> Tensor:
    return torch.max_pool2d(input, kernel_size, stride_of(stride), padding, dilation, ceil_mode)


def F_max_pool2d__return_indices(
        input: Tensor, kernel_size: BroadcastingList2[int], stride: Optional[BroadcastingList2[int]],
        padding: BroadcastingList2[int], dilation: BroadcastingList2[int], ceil_mode: bool) -> Tuple[Tensor, Tensor]:
    return torch.max_pool2d_with_indices(input, kernel_size, stride_of(stride), padding, dilation, ceil_mode)


def F_max_pool2d_with_indices(
        input: Tensor, kernel_size: BroadcastingList2[int], stride: Optional[BroadcastingList2[int]],
        padding: BroadcastingList2[int], dilation: BroadcastingList2[int], ceil_mode: bool) -> Tuple[Tensor, Tensor]:
    return torch.max_pool2d_with_indices(input, kernel_size, stride_of(stride), padding, dilation, ceil_mode)


def F_max_pool3d(input: Tensor, kernel_size: BroadcastingList3[int], stride: Optional[BroadcastingList3[int]],
                 padding: BroadcastingList3[int], dilation: BroadcastingList3[int], ceil_mode: bool) -> Tensor:
    return torch.max_pool3d(input, kernel_size, stride_of(stride), padding, dilation, ceil_mode)


def F_max_pool3d__return_indices(
        input: Tensor, kernel_size: BroadcastingList3[int], stride: Optional[BroadcastingList3[int]],
        padding: BroadcastingList3[int], dilation: BroadcastingList3[int], ceil_mode: bool) -> Tuple[Tensor, Tensor]:
    return torch.max_pool3d_with_indices(input, kernel_size, stride_of(stride), padding, dilation, ceil_mode)


def F_max_pool3d_with_indices(
        input: Tensor, kernel_size: BroadcastingList3[int], stride: Optional[BroadcastingList3[int]],
        padding: BroadcastingList3[int], dilation: BroadcastingList3[int], ceil_mode: bool) -> Tuple[Tensor, Tensor]:
    return torch.max_pool3d_with_indices(input, kernel_size, stride_of(stride), padding, dilation, ceil_mode)


def F_adaptive_max_pool1d(input: Tensor, output_size: BroadcastingList1[int]) -> Tensor:
    return torch.adaptive_max_pool1d(input, output_size)[0]


def F_adaptive_max_pool1d__return_indices(input: Tensor, output_size: BroadcastingList1[int]) -> Tuple[Tensor, Tensor]:
    return torch.adaptive_max_pool1d(input, output_size)


def F_adaptive_max_pool1d_with_indices(input: Tensor, output_size: BroadcastingList1[int]) -> Tuple[Tensor, Tensor]:
    return torch.adaptive_max_pool1d(input, output_size)


def kept_sizes(input: Tensor, output_size: List[Optional[int]]) -> List[int]:
    sizes = annotate(List[int], [])
    shape = input.size()
    for i in range(len(output_size)):
        given = output_size[i]
        if given is None:
            sizes.append(shape[len(shape) - len(output_size) + i])
        else:
            sizes.append(given)
    return sizes


def F_adaptive_avg_pool2d(input: Tensor, output_size: BroadcastingList2[int]) -> Tensor:
    return torch.adaptive_avg_pool2d(input, output_size)


def F_adaptive_max_pool2d(input: Tensor, output_size: BroadcastingList2[int]) -> Tensor:
    return torch.adaptive_max_pool2d(input, output_size)[0]


def F_adaptive_max_pool2d__return_indices(
        input: Tensor, output_size: BroadcastingList2[int]) -> Tuple[Tensor, Tensor]:
    return torch.adaptive_max_pool2d(input, output_size)


def F_adaptive_max_pool2d_with_indices(
        input: Tensor, output_size: BroadcastingList2[int]) -> Tuple[Tensor, Tensor]:
    return torch.adaptive_max_pool2d(input, output_size)


def F_adaptive_avg_pool2d(input: Tensor, output_size: List[Optional[int]]) -> Tensor:
    return torch.adaptive_avg_pool2d(input, kept_sizes(input, output_size))


def F_adaptive_max_pool2d(input: Tensor, output_size: List[Optional[int]]) -> Tensor:
    return torch.adaptive_max_pool2d(input, kept_sizes(input, output_size))[0]


def F_adaptive_max_pool2d__return_indices(
        input: Tensor, output_size: List[Optional[int]]) -> Tuple[Tensor, Tensor]:
    return torch.adaptive_max_pool2d(input, kept_sizes(input, output_size))


def F_adaptive_max_pool2d_with_indices(
        input: Tensor, output_size: List[Optional[int]]) -> Tuple[Tensor, Tensor]:
    return torch.adaptive_max_pool2d(input, kept_sizes(input, output_size))


def F_adaptive_avg_pool2d(input: Tensor, output_size: Tuple[Optional[int], Optional[int]]) -> Tensor:
    return torch.adaptive_avg_pool2d(input, kept_sizes(input, [output_size[0], output_size[1]]))


def F_adaptive_max_pool2d(input: Tensor, output_size: Tuple[Optional[int], Optional[int]]) -> Tensor:
    return torch.adaptive_max_pool2d(input, kept_sizes(input, [output_size[0], output_size[1]]))[0]


def F_adaptive_max_pool2d__return_indices(
        input: Tensor, output_size: Tuple[Optional[int], Optional[int]]) -> Tuple[Tensor, Tensor]:
    return torch.adaptive_max_pool2d(input, kept_sizes(input, [output_size[0], output_size[1]]))


def F_adaptive_max_pool2d_with_indices(
        input: Tensor, output_size: Tuple[Optional[int], Optional[int]]) -> Tuple[Tensor, Tensor]:
    return torch.adaptive_max_pool2d(input, kept_sizes(input, [output_size[0], output_size[1]]))


def F_adaptive_avg_pool3d(input: Tensor, output_size: BroadcastingList3[int]) -> Tensor:
    return torch.adaptive_avg_pool3d(input, output_size)


def F_adaptive_max_pool3d(input: Tensor, output_size: BroadcastingList3[int]) -> Tensor:
    return torch.adaptive_max_pool3d(input, output_size)[0]


def F_adaptive_max_pool3d__return_indices(
        input: Tensor, output_size: BroadcastingList3[int]) -> Tuple[Tensor, Tensor]:
    return torch.adaptive_max_pool3d(input, output_size)


def F_adaptive_max_pool3d_with_indices(
        input: Tensor, output_size: BroadcastingList3[int]) -> Tuple[Tensor, Tensor]:
    return torch.adaptive_max_pool3d(input, output_size)


def F_adaptive_avg_pool3d(input: Tensor, output_size: List[Optional[int]]) -> Tensor:
    return torch.adaptive_avg_pool3d(input, kept_sizes(input, output_size))


def F_adaptive_max_pool3d(input: Tensor, output_size: List[Optional[int]]) -> Tensor:
    return torch.adaptive_max_pool3d(input, kept_sizes(input, output_size))[0]


def F_adaptive_max_pool3d__return_indices(
        input: Tensor, output_size: List[Optional[int]]) -> Tuple[Tensor, Tensor]:
    return torch.adaptive_max_pool3d(input, kept_sizes(input, output_size))


def F_adaptive_max_pool3d_with_indices(
        input: Tensor, output_size: List[Optional[int]]) -> Tuple[Tensor, Tensor]:
    return torch.adaptive_max_pool3d(input, kept_sizes(input, output_size))


def F_adaptive_avg_pool3d(input: Tensor, output_size: Tuple[Optional[int], Optional[int], Optional[int]]) -> Tensor:
    return torch.adaptive_avg_pool3d(input, kept_sizes(input, [output_size[0], output_size[1], output_size[2]]))


def F_adaptive_max_pool3d(input: Tensor, output_size: Tuple[Optional[int], Optional[int], Optional[int]]) -> Tensor:
    return torch.adaptive_max_pool3d(input, kept_sizes(input, [output_size[0], output_size[1], output_size[2]]))[0]


def F_adaptive_max_pool3d__return_indices(
        input: Tensor, output_size: Tuple[Optional[int], Optional[int], Optional[int]]) -> Tuple[Tensor, Tensor]:
    return torch.adaptive_max_pool3d(input, kept_sizes(input, [output_size[0], output_size[1], output_size[2]]))


def F_adaptive_max_pool3d_with_indices(
        input: Tensor, output_size: Tuple[Optional[int], Optional[int], Optional[int]]) -> Tuple[Tensor, Tensor]:
    return torch.adaptive_max_pool3d(input, kept_sizes(input, [output_size[0], output_size[1], output_size[2]]))
