# Methods of torch.Tensor that have no operator.


def Tensor_bool(input: Tensor) -> Tensor:
    return torch.ne(input, 0)


def Tensor_cfloat(input: Tensor) -> Tensor:
    return torch.to(input, complex64)


def Tensor_cdouble(input: Tensor) -> Tensor:
    return torch.to(input, complex128)


def Tensor_ndimension(input: Tensor) -> int:
    return input.dim()


def Tensor_nelement(input: Tensor) -> int:
    return input.numel()


# A copy in the type and on the device of `input`, where no others are given.
def placed(input: Tensor, data: Tensor, dtype: Optional[int], device: Optional[Device]) -> Tensor:
    kind = input.dtype
    if dtype is not None:
        kind = dtype
    place = input.device
    if device is not None:
        place = device
    return torch.clone(torch.to(torch.detach(data), place, kind))


def Tensor_new_tensor(input: Tensor, data: Tensor, dtype: Optional[int], device: Optional[Device]) -> Tensor:
    return placed(data, data, dtype, device)


def Tensor_new_tensor(input: Tensor, data: int, dtype: Optional[int], device: Optional[Device]) -> Tensor:
    return placed(input, torch.tensor(data), dtype, device)


def Tensor_new_tensor(input: Tensor, data: bool, dtype: Optional[int], device: Optional[Device]) -> Tensor:
    return placed(input, torch.tensor(data), dtype, device)


def Tensor_new_tensor(input: Tensor, data: List[int], dtype: Optional[int], device: Optional[Device]) -> Tensor:
    return placed(input, torch.tensor(data), dtype, device)


def Tensor_new_tensor(input: Tensor, data: List[bool], dtype: Optional[int], device: Optional[Device]) -> Tensor:
    return placed(input, torch.tensor(data), dtype, device)


def Tensor_new_tensor(input: Tensor, data: List[List[int]], dtype: Optional[int], device: Optional[Device]) -> Tensor:
    return placed(input, torch.tensor(data), dtype, device)


def Tensor_new_tensor(input: Tensor, data: float, dtype: Optional[int], device: Optional[Device]) -> Tensor:
    return placed(input, torch.tensor(data, dtype=float64), dtype, device)


def Tensor_new_tensor(input: Tensor, data: List[float], dtype: Optional[int], device: Optional[Device]) -> Tensor:
    return placed(input, torch.tensor(data, dtype=float64), dtype, device)


def Tensor_new_tensor(
        input: Tensor, data: List[List[float]], dtype: Optional[int], device: Optional[Device]) -> Tensor:
    return placed(input, torch.tensor(data, dtype=float64), dtype, device)
