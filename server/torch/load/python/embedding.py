# Embeddings of torch.nn.functional. `max_norm` would change the weights, which are the model's.


def F_embedding(input: Tensor, weight: Tensor, padding_idx: Optional[int], scale_grad_by_freq: bool,
                sparse: bool) -> Tensor:
    padding = -1
    if padding_idx is not None:
        rows = weight.size(0)
        if padding_idx >= rows or padding_idx < -rows:
            raise ValueError("padding_idx must be within num_embeddings")
        padding = padding_idx + rows if padding_idx < 0 else padding_idx
    return torch.embedding(weight, input, padding, scale_grad_by_freq, sparse)


def bag_mode(mode: str) -> int:
    if mode == "sum":
        return 0
    if mode == "mean":
        return 1
    if mode == "max":
        return 2
    raise ValueError("mode has to be one of sum, mean or max")


def bags(input: Tensor, weight: Tensor, offsets: Optional[Tensor], scale_grad_by_freq: bool, mode: str, sparse: bool,
         per_sample_weights: Optional[Tensor], include_last_offset: bool, padding_idx: Optional[int]) -> Tensor:
    if per_sample_weights is not None:
        if mode != "sum":
            raise ValueError("per_sample_weights is only supported for mode='sum'")
        if input.size() != per_sample_weights.size():
            raise ValueError("per_sample_weights must have the same shape as the input")
    if input.dim() == 2:
        if offsets is not None:
            raise ValueError("if input is 2D, then offsets has to be None")
        starts = torch.arange(0, input.numel(), input.size(1), dtype=input.dtype, device=input.device)
        flat = torch.reshape(input, [-1])
        samples = per_sample_weights
        if samples is not None:
            samples = torch.reshape(samples, [-1])
        return torch.embedding_bag(weight, flat, starts, scale_grad_by_freq, bag_mode(mode), sparse, samples, False,
                                   padding_idx)[0]
    if offsets is None:
        raise ValueError("offsets has to be a 1D Tensor but got None")
    return torch.embedding_bag(weight, input, offsets, scale_grad_by_freq, bag_mode(mode), sparse, per_sample_weights,
                               include_last_offset, padding_idx)[0]


# The arguments in the order of the operator are an old way to call it.
def F_embedding_bag(input: Tensor, weight: Tensor, offsets: Optional[Tensor], scale_grad_by_freq: bool, mode: str,
                    sparse: bool, per_sample_weights: Optional[Tensor], include_last_offset: bool,
                    padding_idx: Optional[int]) -> Tensor:
    if weight.dtype == int64 and torch.is_floating_point(input):
        return bags(weight, input, offsets, scale_grad_by_freq, mode, sparse, per_sample_weights, include_last_offset,
                    padding_idx)
    return bags(input, weight, offsets, scale_grad_by_freq, mode, sparse, per_sample_weights, include_last_offset,
                padding_idx)


def F_grid_sample(input: Tensor, grid: Tensor, mode: str, padding_mode: str, align_corners: Optional[bool]) -> Tensor:
    modes = ["bilinear", "nearest", "bicubic"]
    paddings = ["zeros", "border", "reflection"]
    if mode not in modes:
        raise ValueError("expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: " + mode)
    if padding_mode not in paddings:
        raise ValueError("expected padding_mode to be 'zeros', 'border' or 'reflection', but got: " + padding_mode)
    corners = False
    if align_corners is not None:
        corners = align_corners
    return torch.grid_sampler(input, grid, modes.index(mode), paddings.index(padding_mode), corners)


def F_affine_grid(theta: Tensor, size: List[int], align_corners: Optional[bool]) -> Tensor:
    corners = False
    if align_corners is not None:
        corners = align_corners
    return torch.affine_grid_generator(theta, size, corners)
