# Normalization and norms, of torch.nn.functional and torch.


def F_batch_norm(input: Tensor, running_mean: Optional[Tensor], running_var: Optional[Tensor],
                 weight: Optional[Tensor], bias: Optional[Tensor], training: bool, momentum: float,
                 eps: float) -> Tensor:
    return torch.batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps, True)


def F_instance_norm(input: Tensor, running_mean: Optional[Tensor], running_var: Optional[Tensor],
                    weight: Optional[Tensor], bias: Optional[Tensor], use_input_stats: bool, momentum: float,
                    eps: float) -> Tensor:
    return torch.instance_norm(input, weight, bias, running_mean, running_var, use_input_stats, momentum, eps, True)


def F_layer_norm(input: Tensor, normalized_shape: List[int], weight: Optional[Tensor], bias: Optional[Tensor],
                 eps: float) -> Tensor:
    return torch.layer_norm(input, normalized_shape, weight, bias, eps, True)


def F_group_norm(input: Tensor, num_groups: int, weight: Optional[Tensor], bias: Optional[Tensor],
                 eps: float) -> Tensor:
    return torch.group_norm(input, num_groups, weight, bias, eps, True)


def F_rms_norm(input: Tensor, normalized_shape: List[int], weight: Optional[Tensor], eps: Optional[float]) -> Tensor:
    return torch.rms_norm(input, normalized_shape, weight, eps)


def F_local_response_norm(input: Tensor, size: int, alpha: float, beta: float, k: float) -> Tensor:
    if input.dim() < 3:
        raise ValueError("Expected 3D or higher dimensionality input")
    if input.numel() == 0:
        return input
    channels = input.size(1)
    rows = torch.reshape(torch.square(input), [input.size(0), 1, channels, -1])
    rows = torch.pad(rows, [0, 0, size // 2, (size - 1) // 2])
    means = torch.reshape(torch.avg_pool2d(rows, [size, 1], [1, 1]), input.size())
    return input / torch.pow(torch.add(torch.mul(means, alpha), k), beta)


def F_normalize(input: Tensor, p: number, dim: int, eps: float) -> Tensor:
    norms = torch.linalg_vector_norm(input, p, [dim], True)
    return input / torch.expand_as(torch.clamp_min(norms, eps), input)


def F_normalize(input: Tensor, p: number, dim: List[int], eps: float) -> Tensor:
    norms = torch.linalg_vector_norm(input, p, dim, True)
    return input / torch.expand_as(torch.clamp_min(norms, eps), input)


def norm_by_name(input: Tensor, p: str, dim: Optional[List[int]], keepdim: bool, dtype: Optional[int]) -> Tensor:
    if p == "fro" and (dim is None or len(dim) <= 2):
        return torch.linalg_vector_norm(input, 2, dim, keepdim, dtype=dtype)
    if dim is None:
        dims = annotate(List[int], [])
        for i in range(input.dim()):
            dims.append(i)
        return torch.linalg_matrix_norm(input, p, dims, keepdim, dtype=dtype)
    return torch.linalg_matrix_norm(input, p, dim, keepdim, dtype=dtype)


def torch_norm(input: Tensor, p: str, dim: Optional[BroadcastingList1[int]], keepdim: bool,
               dtype: Optional[int]) -> Tensor:
    return norm_by_name(input, p, dim, keepdim, dtype)


def torch_norm(input: Tensor, p: Optional[number], dim: Optional[BroadcastingList1[int]], keepdim: bool,
               dtype: Optional[int]) -> Tensor:
    if p is None:
        return torch.linalg_vector_norm(input, 2, dim, keepdim, dtype=dtype)
    return torch.linalg_vector_norm(input, p, dim, keepdim, dtype=dtype)
