# Functions of torch, torch.Tensor and torch.nn.functional that cut, join and pad.


def F_pad(input: Tensor, pad: List[int], mode: str, value: Optional[float]) -> Tensor:
    return torch.pad(input, pad, mode, value)


def F_unfold(input: Tensor, kernel_size: BroadcastingList2[int], dilation: BroadcastingList2[int],
             padding: BroadcastingList2[int], stride: BroadcastingList2[int]) -> Tensor:
    return torch.im2col(input, kernel_size, dilation, padding, stride)


def F_fold(input: Tensor, output_size: BroadcastingList2[int], kernel_size: BroadcastingList2[int],
           dilation: BroadcastingList2[int], padding: BroadcastingList2[int],
           stride: BroadcastingList2[int]) -> Tensor:
    return torch.col2im(input, output_size, kernel_size, dilation, padding, stride)


def torch_atleast_1d(tensors: Tensor) -> Tensor:
    return torch.atleast_1d(tensors)


def torch_atleast_1d(tensors: List[Tensor]) -> List[Tensor]:
    return torch.atleast_1d(tensors)


def torch_atleast_2d(tensors: Tensor) -> Tensor:
    return torch.atleast_2d(tensors)


def torch_atleast_2d(tensors: List[Tensor]) -> List[Tensor]:
    return torch.atleast_2d(tensors)


def torch_atleast_3d(tensors: Tensor) -> Tensor:
    return torch.atleast_3d(tensors)


def torch_atleast_3d(tensors: List[Tensor]) -> List[Tensor]:
    return torch.atleast_3d(tensors)


def torch_block_diag(tensors: List[Tensor]) -> Tensor:
    return torch.block_diag(tensors)


def torch_broadcast_tensors(tensors: List[Tensor]) -> List[Tensor]:
    return torch.broadcast_tensors(tensors)


def torch_broadcast_shapes(shapes: List[int]) -> List[int]:
    size = annotate(List[int], [])
    for each in shapes:
        size = torch._infer_size(size, [each])
    return size


def torch_broadcast_shapes(shapes: List[List[int]]) -> List[int]:
    size = annotate(List[int], [])
    for shape in shapes:
        size = torch._infer_size(size, shape)
    return size


def torch_cartesian_prod(tensors: List[Tensor]) -> Tensor:
    return torch.cartesian_prod(tensors)


def torch_meshgrid(tensors: List[Tensor], indexing: Optional[str]) -> List[Tensor]:
    order = "ij"
    if indexing is not None:
        order = indexing
    return torch.meshgrid(tensors, indexing=order)


def torch_split(tensor: Tensor, split_size_or_sections: int, dim: int) -> List[Tensor]:
    return torch.split(tensor, split_size_or_sections, dim)


def torch_split(tensor: Tensor, split_size_or_sections: List[int], dim: int) -> List[Tensor]:
    return torch.split_with_sizes(tensor, split_size_or_sections, dim)


def Tensor_split(input: Tensor, split_size: int, dim: int) -> List[Tensor]:
    return torch.split(input, split_size, dim)


def Tensor_split(input: Tensor, split_size: List[int], dim: int) -> List[Tensor]:
    return torch.split_with_sizes(input, split_size, dim)


def Tensor_unflatten(input: Tensor, dim: int, sizes: List[int]) -> Tensor:
    return torch.unflatten(input, dim, sizes)


def torch_unique(input: Tensor, sorted: bool, dim: Optional[int]) -> Tensor:
    if dim is None:
        return torch._unique2(input, sorted, False, False)[0]
    return torch.unique_dim(input, dim, sorted, False, False)[0]


def torch_unique__return_inverse(input: Tensor, sorted: bool, dim: Optional[int]) -> Tuple[Tensor, Tensor]:
    if dim is None:
        values, inverse, _ = torch._unique2(input, sorted, True, False)
    else:
        values, inverse, _ = torch.unique_dim(input, dim, sorted, True, False)
    return values, inverse


def torch_unique__return_counts(input: Tensor, sorted: bool, dim: Optional[int]) -> Tuple[Tensor, Tensor]:
    if dim is None:
        values, _, counts = torch._unique2(input, sorted, False, True)
    else:
        values, _, counts = torch.unique_dim(input, dim, sorted, False, True)
    return values, counts


def torch_unique__return_inverse__return_counts(input: Tensor, sorted: bool,
                                                dim: Optional[int]) -> Tuple[Tensor, Tensor, Tensor]:
    if dim is None:
        return torch._unique2(input, sorted, True, True)
    return torch.unique_dim(input, dim, sorted, True, True)


def torch_unique_consecutive(input: Tensor, dim: Optional[int]) -> Tensor:
    return torch.unique_consecutive(input, False, False, dim)[0]


def torch_unique_consecutive__return_inverse(input: Tensor, dim: Optional[int]) -> Tuple[Tensor, Tensor]:
    values, inverse, _ = torch.unique_consecutive(input, True, False, dim)
    return values, inverse


def torch_unique_consecutive__return_counts(input: Tensor, dim: Optional[int]) -> Tuple[Tensor, Tensor]:
    values, _, counts = torch.unique_consecutive(input, False, True, dim)
    return values, counts


def torch_unique_consecutive__return_inverse__return_counts(input: Tensor,
                                                            dim: Optional[int]) -> Tuple[Tensor, Tensor, Tensor]:
    return torch.unique_consecutive(input, True, True, dim)


def torch_nonzero(input: Tensor) -> Tensor:
    return torch.nonzero(input)


def torch_nonzero__as_tuple(input: Tensor) -> List[Tensor]:
    return torch.nonzero_numpy(input)


def index_of(indices: Tensor, shape: List[int]) -> List[Tensor]:
    coordinates = annotate(List[Tensor], [])
    rest = indices
    for i in range(len(shape)):
        size = shape[len(shape) - 1 - i]
        coordinates.append(torch.remainder(rest, size))
        rest = torch.floor_divide(rest, size)
    coordinates.reverse()
    return coordinates


def torch_unravel_index(indices: Tensor, shape: BroadcastingList1[int]) -> List[Tensor]:
    return index_of(indices, shape)


def torch_is_tensor(obj: Tensor) -> bool:
    return True


def torch_sym_int(a: number) -> int:
    return int(a)


def torch_sym_float(a: number) -> float:
    return float(a)


def torch_sym_max(a: int, b: int) -> int:
    return max(a, b)


def torch_sym_min(a: int, b: int) -> int:
    return min(a, b)


def torch_sym_not(a: bool) -> bool:
    return not a


def torch_tensor(data: Tensor, dtype: Optional[int], device: Optional[Device]) -> Tensor:
    kind = data.dtype
    if dtype is not None:
        kind = dtype
    place = data.device
    if device is not None:
        place = device
    return torch.clone(torch.to(torch.detach(data), place, kind))
