# torch.nn.functional.interpolate and its older names.


def interpolated(input: Tensor, size: Optional[List[int]], factors: Optional[List[float]], mode: str, corners: bool,
                 antialias: bool) -> Tensor:
    dims = input.dim()
    if antialias and not (dims == 4 and (mode == "bilinear" or mode == "bicubic")):
        raise ValueError("antialias is restricted to bilinear and bicubic modes and a 4-D input")
    if mode == "nearest":
        if dims == 3:
            return torch.upsample_nearest1d(input, size, factors)
        if dims == 4:
            return torch.upsample_nearest2d(input, size, factors)
        if dims == 5:
            return torch.upsample_nearest3d(input, size, factors)
    if mode == "nearest-exact":
        if dims == 3:
            return torch._upsample_nearest_exact1d(input, size, factors)
        if dims == 4:
            return torch._upsample_nearest_exact2d(input, size, factors)
        if dims == 5:
            return torch._upsample_nearest_exact3d(input, size, factors)
    if mode == "area" and size is not None:
        if dims == 3:
            return torch.adaptive_avg_pool1d(input, size)
        if dims == 4:
            return torch.adaptive_avg_pool2d(input, size)
        if dims == 5:
            return torch.adaptive_avg_pool3d(input, size)
    if mode == "linear" and dims == 3:
        return torch.upsample_linear1d(input, size, corners, factors)
    if mode == "bilinear" and dims == 4:
        if antialias:
            return torch._upsample_bilinear2d_aa(input, size, corners, factors)
        return torch.upsample_bilinear2d(input, size, corners, factors)
    if mode == "bicubic" and dims == 4:
        if antialias:
            return torch._upsample_bicubic2d_aa(input, size, corners, factors)
        return torch.upsample_bicubic2d(input, size, corners, factors)
    if mode == "trilinear" and dims == 5:
        return torch.upsample_trilinear3d(input, size, corners, factors)
    raise ValueError("interpolate: mode " + mode + " is not for an input of this many dimensions")


def resized(input: Tensor, size: Optional[List[int]], scale_factor: Optional[List[float]], mode: str,
            align_corners: Optional[bool], recompute: Optional[bool], antialias: bool) -> Tensor:
    count = input.dim() - 2
    if align_corners is not None and (mode == "nearest" or mode == "area" or mode == "nearest-exact"):
        raise ValueError("align_corners can only be set with linear, bilinear, bicubic and trilinear")
    corners = False
    if align_corners is not None:
        corners = align_corners
    if size is not None:
        if scale_factor is not None:
            raise ValueError("only one of size or scale_factor should be defined")
        if recompute is not None and recompute:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size")
        if len(size) != count:
            raise ValueError("size must have one element for each spatial dimension of the input")
        return interpolated(input, size, None, mode, corners, antialias)
    if scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    if len(scale_factor) != count:
        raise ValueError("scale_factor must have one element for each spatial dimension of the input")
    if mode == "area" or (recompute is not None and recompute):
        wanted = annotate(List[int], [])
        for i in range(count):
            wanted.append(int(float(input.size(i + 2)) * scale_factor[i]))
        return interpolated(input, wanted, None, mode, corners, antialias)
    return interpolated(input, None, scale_factor, mode, corners, antialias)


def ints(value: int, count: int) -> List[int]:
    values = annotate(List[int], [])
    for _ in range(count):
        values.append(value)
    return values


def floats(value: float, count: int) -> List[float]:
    values = annotate(List[float], [])
    for _ in range(count):
        values.append(value)
    return values


def F_interpolate(input: Tensor, size: int, scale_factor: Optional[List[float]], mode: str,
                  align_corners: Optional[bool], recompute_scale_factor: Optional[bool], antialias: bool) -> Tensor:
    return resized(input, ints(size, input.dim() - 2), scale_factor, mode, align_corners, recompute_scale_factor,
                   antialias)


def F_interpolate(input: Tensor, size: Optional[List[int]], scale_factor: float, mode: str,
                  align_corners: Optional[bool], recompute_scale_factor: Optional[bool], antialias: bool) -> Tensor:
    return resized(input, size, floats(scale_factor, input.dim() - 2), mode, align_corners, recompute_scale_factor,
                   antialias)


def F_interpolate(input: Tensor, size: Optional[List[int]], scale_factor: Optional[List[float]], mode: str,
                  align_corners: Optional[bool], recompute_scale_factor: Optional[bool], antialias: bool) -> Tensor:
    return resized(input, size, scale_factor, mode, align_corners, recompute_scale_factor, antialias)


def F_upsample(input: Tensor, size: int, scale_factor: Optional[List[float]], mode: str,
               align_corners: Optional[bool]) -> Tensor:
    return resized(input, ints(size, input.dim() - 2), scale_factor, mode, align_corners, None, False)


def F_upsample(input: Tensor, size: Optional[List[int]], scale_factor: float, mode: str,
               align_corners: Optional[bool]) -> Tensor:
    return resized(input, size, floats(scale_factor, input.dim() - 2), mode, align_corners, None, False)


def F_upsample(input: Tensor, size: Optional[List[int]], scale_factor: Optional[List[float]], mode: str,
               align_corners: Optional[bool]) -> Tensor:
    return resized(input, size, scale_factor, mode, align_corners, None, False)


def F_upsample_nearest(input: Tensor, size: int, scale_factor: Optional[List[float]]) -> Tensor:
    return resized(input, ints(size, input.dim() - 2), scale_factor, "nearest", None, None, False)


def F_upsample_nearest(input: Tensor, size: Optional[List[int]], scale_factor: float) -> Tensor:
    return resized(input, size, floats(scale_factor, input.dim() - 2), "nearest", None, None, False)


def F_upsample_nearest(input: Tensor, size: Optional[List[int]], scale_factor: Optional[List[float]]) -> Tensor:
    return resized(input, size, scale_factor, "nearest", None, None, False)


def F_upsample_bilinear(input: Tensor, size: int, scale_factor: Optional[List[float]]) -> Tensor:
    return resized(input, ints(size, input.dim() - 2), scale_factor, "bilinear", True, None, False)


def F_upsample_bilinear(input: Tensor, size: Optional[List[int]], scale_factor: float) -> Tensor:
    return resized(input, size, floats(scale_factor, input.dim() - 2), "bilinear", True, None, False)


def F_upsample_bilinear(input: Tensor, size: Optional[List[int]], scale_factor: Optional[List[float]]) -> Tensor:
    return resized(input, size, scale_factor, "bilinear", True, None, False)
