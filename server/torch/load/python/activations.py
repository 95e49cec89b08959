# Activations of torch.nn.functional. What the prelude's files may say is in python_prelude.h.


def F_relu(input: Tensor) -> Tensor:
    return torch.relu(input)


def F_relu__inplace(input: Tensor) -> Tensor:
    return torch.relu_(input)


def F_relu6(input: Tensor) -> Tensor:
    return torch.relu6(input)


def F_relu6__inplace(input: Tensor) -> Tensor:
    return torch.relu6_(input)


def F_elu(input: Tensor, alpha: number) -> Tensor:
    return torch.elu(input, alpha)


def F_elu__inplace(input: Tensor, alpha: number) -> Tensor:
    return torch.elu_(input, alpha)


def F_celu(input: Tensor, alpha: number) -> Tensor:
    return torch.celu(input, alpha)


def F_celu__inplace(input: Tensor, alpha: number) -> Tensor:
    return torch.celu_(input, alpha)


def F_selu(input: Tensor) -> Tensor:
    return torch.selu(input)


def F_selu__inplace(input: Tensor) -> Tensor:
    return torch.selu_(input)


def F_silu(input: Tensor) -> Tensor:
    return torch.silu(input)


def F_silu__inplace(input: Tensor) -> Tensor:
    return torch.silu_(input)


def F_mish(input: Tensor) -> Tensor:
    return torch.mish(input)


def F_mish__inplace(input: Tensor) -> Tensor:
    return torch.mish_(input)


def F_hardsigmoid(input: Tensor) -> Tensor:
    return torch.hardsigmoid(input)


def F_hardsigmoid__inplace(input: Tensor) -> Tensor:
    return torch.hardsigmoid_(input)


def F_hardswish(input: Tensor) -> Tensor:
    return torch.hardswish(input)


def F_hardswish__inplace(input: Tensor) -> Tensor:
    return torch.hardswish_(input)


def F_hardtanh(input: Tensor, min_val: number, max_val: number) -> Tensor:
    return torch.hardtanh(input, min_val, max_val)


def F_hardtanh__inplace(input: Tensor, min_val: number, max_val: number) -> Tensor:
    return torch.hardtanh_(input, min_val, max_val)


def F_leaky_relu(input: Tensor, negative_slope: number) -> Tensor:
    return torch.leaky_relu(input, negative_slope)


def F_leaky_relu__inplace(input: Tensor, negative_slope: number) -> Tensor:
    return torch.leaky_relu_(input, negative_slope)


def F_threshold(input: Tensor, threshold: number, value: number) -> Tensor:
    return torch.threshold(input, threshold, value)


def F_threshold__inplace(input: Tensor, threshold: number, value: number) -> Tensor:
    return torch.threshold_(input, threshold, value)


def F_rrelu(input: Tensor, lower: number, upper: number, training: bool) -> Tensor:
    return torch.rrelu(input, lower, upper, training)


def F_rrelu__training(input: Tensor, lower: number, upper: number) -> Tensor:
    return torch.rrelu(input, lower, upper, True)


def F_rrelu__inplace(input: Tensor, lower: number, upper: number, training: bool) -> Tensor:
    return torch.rrelu_(input, lower, upper, training)


def F_rrelu__training__inplace(input: Tensor, lower: number, upper: number) -> Tensor:
    return torch.rrelu_(input, lower, upper, True)


def F_glu(input: Tensor, dim: int) -> Tensor:
    return torch.glu(input, dim)


def F_sigmoid(input: Tensor) -> Tensor:
    return torch.sigmoid(input)


def F_tanh(input: Tensor) -> Tensor:
    return torch.tanh(input)


def F_tanhshrink(input: Tensor) -> Tensor:
    return input - torch.tanh(input)


def F_softsign(input: Tensor) -> Tensor:
    return input / (torch.abs(input) + 1)


def softmax_dim(input: Tensor, dim: Optional[int]) -> int:
    if dim is not None:
        return dim
    dims = input.dim()
    return 0 if dims == 0 or dims == 1 or dims == 3 else 1


def F_softmax(input: Tensor, dim: Optional[int], dtype: Optional[int]) -> Tensor:
    return torch.softmax(input, softmax_dim(input, dim), dtype=dtype)


def F_log_softmax(input: Tensor, dim: Optional[int], dtype: Optional[int]) -> Tensor:
    return torch.log_softmax(input, softmax_dim(input, dim), dtype=dtype)


def F_softmin(input: Tensor, dim: Optional[int], dtype: Optional[int]) -> Tensor:
    return torch.softmax(torch.neg(input), softmax_dim(input, dim), dtype=dtype)


def F_gumbel_softmax(logits: Tensor, tau: float, hard: bool, eps: float, dim: int) -> Tensor:
    noise = -torch.log(torch.exponential(torch.empty_like(logits, memory_format=0)))
    soft = torch.softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    index = torch.argmax(soft, dim, True)
    return torch.scatter(torch.zeros_like(logits, memory_format=0), dim, index, 1.0) - torch.detach(soft) + soft


def F_logsigmoid(input: Tensor) -> Tensor:
    return torch.log_sigmoid(input)
