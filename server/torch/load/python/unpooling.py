# Pooling by norms and back from maxima, of torch.nn.functional.


def root_of_means(means: Tensor, count: int, norm_type: number) -> Tensor:
    return torch.pow(torch.mul(torch.sign(means) * torch.relu(torch.abs(means)), count), 1.0 / norm_type)


def F_lp_pool1d(input: Tensor, norm_type: number, kernel_size: BroadcastingList1[int], stride: Optional[BroadcastingList1[int]],
                ceil_mode: bool) -> Tensor:
    means = torch.avg_pool1d(torch.pow(input, norm_type), kernel_size, stride_of(stride), [0], ceil_mode)
    return root_of_means(means, kernel_size[0], norm_type)


def F_lp_pool2d(input: Tensor, norm_type: number, kernel_size: BroadcastingList2[int], stride: Optional[BroadcastingList2[int]],
                ceil_mode: bool) -> Tensor:
    means = torch.avg_pool2d(torch.pow(input, norm_type), kernel_size, stride_of(stride), 0, ceil_mode)
    return root_of_means(means, kernel_size[0] * kernel_size[1], norm_type)


def F_lp_pool3d(input: Tensor, norm_type: number, kernel_size: BroadcastingList3[int], stride: Optional[BroadcastingList3[int]],
                ceil_mode: bool) -> Tensor:
    means = torch.avg_pool3d(torch.pow(input, norm_type), kernel_size, stride_of(stride), 0, ceil_mode)
    return root_of_means(means, kernel_size[0] * kernel_size[1] * kernel_size[2], norm_type)


def unpooled_size(input: Tensor, kernel_size: List[int], stride: List[int], padding: List[int],
                  output_size: Optional[List[int]]) -> List[int]:
    count = len(kernel_size)
    shape = input.size()
    usual = annotate(List[int], [])
    for i in range(count):
        usual.append((shape[len(shape) - count + i] - 1) * stride[i] + kernel_size[i] - 2 * padding[i])
    if output_size is None:
        return usual
    wanted = output_size[2:] if len(output_size) == count + 2 else output_size
    if len(wanted) != count:
        raise ValueError("output_size should have one element for each spatial dimension, or two more")
    for i in range(count):
        if wanted[i] <= usual[i] - stride[i] or wanted[i] >= usual[i] + stride[i]:
            raise ValueError("invalid output_size: each must be less than a stride away from the usual size")
    return wanted


def F_max_unpool1d(input: Tensor, indices: Tensor, kernel_size: BroadcastingList1[int], stride: Optional[BroadcastingList1[int]],
                   padding: BroadcastingList1[int], output_size: Optional[List[int]]) -> Tensor:
    step = kernel_size if stride is None else stride
    size = unpooled_size(input, kernel_size, step, padding, output_size)
    return torch.squeeze(torch.max_unpool2d(torch.unsqueeze(input, -1), torch.unsqueeze(indices, -1), size + [1]), -1)


def F_max_unpool2d(input: Tensor, indices: Tensor, kernel_size: BroadcastingList2[int], stride: Optional[BroadcastingList2[int]],
                   padding: BroadcastingList2[int], output_size: Optional[List[int]]) -> Tensor:
    step = kernel_size if stride is None else stride
    size = unpooled_size(input, kernel_size, step, padding, output_size)
    return torch.max_unpool2d(input, indices, size)


def F_max_unpool3d(input: Tensor, indices: Tensor, kernel_size: BroadcastingList3[int], stride: Optional[BroadcastingList3[int]],
                   padding: BroadcastingList3[int], output_size: Optional[List[int]]) -> Tensor:
    step = kernel_size if stride is None else stride
    size = unpooled_size(input, kernel_size, step, padding, output_size)
    return torch.max_unpool3d(input, indices, size, step, padding)
