# Functions of torch and torch.Tensor that multiply, transform and measure.


def torch_stft(input: Tensor, n_fft: int, hop_length: Optional[int], win_length: Optional[int],
               window: Optional[Tensor], center: bool, pad_mode: str, normalized: bool, onesided: Optional[bool],
               return_complex: Optional[bool], align_to_window: Optional[bool]) -> Tensor:
    if center and align_to_window is not None:
        raise ValueError("stft align_to_window should only be set when center = false")
    signal = input
    if center:
        ends = n_fft // 2
        dims = input.dim()
        rows = torch.pad(torch.view(input, [1] * (3 - dims) + input.size()), [ends, ends], pad_mode)
        signal = torch.view(rows, rows.size()[3 - dims:])
    return torch.stft(signal, n_fft, hop_length, win_length, window, normalized, onesided, return_complex,
                      align_to_window)


def Tensor_istft(input: Tensor, n_fft: int, hop_length: Optional[int], win_length: Optional[int],
                 window: Optional[Tensor], center: bool, normalized: bool, onesided: Optional[bool],
                 length: Optional[int], return_complex: bool) -> Tensor:
    return torch.istft(input, n_fft, hop_length, win_length, window, center, normalized, onesided, length,
                       return_complex)


def torch_einsum(equation: str, operands: List[Tensor]) -> Tensor:
    return torch.einsum(equation, operands)


def torch_chain_matmul(matrices: List[Tensor]) -> Tensor:
    if len(matrices) == 1:
        return matrices[0]
    return torch.linalg_multi_dot(matrices)


def torch_cdist(x1: Tensor, x2: Tensor, p: float, compute_mode: str) -> Tensor:
    if compute_mode == "use_mm_for_euclid_dist_if_necessary":
        return torch.cdist(x1, x2, p, None)
    if compute_mode == "use_mm_for_euclid_dist":
        return torch.cdist(x1, x2, p, 1)
    if compute_mode == "donot_use_mm_for_euclid_dist":
        return torch.cdist(x1, x2, p, 2)
    raise ValueError(compute_mode + " is not a valid value for compute_mode")


def torch_tensordot(a: Tensor, b: Tensor, dims: int) -> Tensor:
    if dims < 0 or dims > a.dim() or dims > b.dim():
        raise ValueError("tensordot expects dims from 0 to the number of dimensions")
    last = annotate(List[int], [])
    first = annotate(List[int], [])
    for i in range(dims):
        last.append(a.dim() - dims + i)
        first.append(i)
    return torch.tensordot(a, b, last, first)


def torch_tensordot(a: Tensor, b: Tensor, dims: Tuple[List[int], List[int]]) -> Tensor:
    return torch.tensordot(a, b, dims[0], dims[1])


def torch_tensordot(a: Tensor, b: Tensor, dims: List[List[int]]) -> Tensor:
    return torch.tensordot(a, b, dims[0], dims[1])


def torch_lu(A: Tensor, pivot: bool) -> Tuple[Tensor, Tensor]:
    factors, pivots, _ = torch.linalg_lu_factor_ex(A, pivot=pivot, check_errors=True)
    return factors, pivots


def torch_lu__get_infos(A: Tensor, pivot: bool) -> Tuple[Tensor, Tensor, Tensor]:
    return torch.linalg_lu_factor_ex(A, pivot=pivot, check_errors=False)


def Tensor_lu(input: Tensor, pivot: bool) -> Tuple[Tensor, Tensor]:
    factors, pivots, _ = torch.linalg_lu_factor_ex(input, pivot=pivot, check_errors=True)
    return factors, pivots


def Tensor_lu__get_infos(input: Tensor, pivot: bool) -> Tuple[Tensor, Tensor, Tensor]:
    return torch.linalg_lu_factor_ex(input, pivot=pivot, check_errors=False)


def torch_get_default_dtype() -> int:
    return float32
