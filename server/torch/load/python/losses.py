# Losses of torch.nn.functional. `size_average` and `reduce` have become a `reduction` before.


def reduction_number(reduction: str) -> int:
    if reduction == "none":
        return 0
    if reduction == "mean" or reduction == "elementwise_mean":
        return 1
    if reduction == "sum":
        return 2
    raise ValueError(reduction + " is not a valid value for reduction")


def reduced(loss: Tensor, reduction: str) -> Tensor:
    kind = reduction_number(reduction)
    if kind == 0:
        return loss
    if kind == 1:
        return torch.mean(loss)
    return torch.sum(loss)


def weighted_mean(loss: Tensor, weight: Tensor, reduction: str) -> Tensor:
    weighted = loss * weight
    if reduction == "mean":
        return torch.sum(weighted) / torch.sum(weight)
    return reduced(weighted, reduction)


def check_weight(input: Tensor, weight: Tensor):
    if weight.size() != input.size():
        raise ValueError("Weights and input must have the same size.")


def F_l1_loss(input: Tensor, target: Tensor, reduction: str, weight: Optional[Tensor]) -> Tensor:
    if weight is None:
        a, b = torch.broadcast_tensors([input, target])
        return torch.l1_loss(a, b, reduction_number(reduction))
    check_weight(input, weight)
    return weighted_mean(torch.abs(input - target), weight, reduction)


def F_mse_loss(input: Tensor, target: Tensor, reduction: str, weight: Optional[Tensor]) -> Tensor:
    if weight is None:
        a, b = torch.broadcast_tensors([input, target])
        return torch.mse_loss(a, b, reduction_number(reduction))
    check_weight(input, weight)
    return weighted_mean(torch.square(input - target), weight, reduction)


def F_huber_loss(input: Tensor, target: Tensor, reduction: str, delta: float, weight: Optional[Tensor]) -> Tensor:
    a, b = torch.broadcast_tensors([input, target])
    if weight is None:
        return torch.huber_loss(a, b, reduction_number(reduction), delta)
    check_weight(input, weight)
    return reduced(torch.huber_loss(a, b, 0, delta) * weight, reduction)


def F_smooth_l1_loss(input: Tensor, target: Tensor, reduction: str, beta: float) -> Tensor:
    a, b = torch.broadcast_tensors([input, target])
    if beta == 0.0:
        return torch.l1_loss(a, b, reduction_number(reduction))
    return torch.smooth_l1_loss(a, b, reduction_number(reduction), beta)


def F_kl_div(input: Tensor, target: Tensor, reduction: str, log_target: bool) -> Tensor:
    if reduction == "batchmean":
        total = torch.kl_div(input, target, 2, log_target=log_target)
        return total / input.size(0) if input.dim() != 0 else total
    return torch.kl_div(input, target, reduction_number(reduction), log_target=log_target)


def F_nll_loss(input: Tensor, target: Tensor, weight: Optional[Tensor], ignore_index: int, reduction: str) -> Tensor:
    return torch.nll_loss_nd(input, target, weight, reduction_number(reduction), ignore_index)


def F_cross_entropy(input: Tensor, target: Tensor, weight: Optional[Tensor], ignore_index: int, reduction: str,
                    label_smoothing: float) -> Tensor:
    return torch.cross_entropy_loss(input, target, weight, reduction_number(reduction), ignore_index, label_smoothing)


def F_binary_cross_entropy(input: Tensor, target: Tensor, weight: Optional[Tensor], reduction: str) -> Tensor:
    if target.size() != input.size():
        raise ValueError("The target's size must be the input's.")
    if weight is not None:
        weight = torch.expand(weight, torch._infer_size(target.size(), weight.size()))
    return torch.binary_cross_entropy(input, target, weight, reduction_number(reduction))


def F_binary_cross_entropy_with_logits(input: Tensor, target: Tensor, weight: Optional[Tensor], reduction: str,
                                       pos_weight: Optional[Tensor]) -> Tensor:
    if target.size() != input.size():
        raise ValueError("The target's size must be the input's.")
    return torch.binary_cross_entropy_with_logits(input, target, weight, pos_weight, reduction_number(reduction))


def F_soft_margin_loss(input: Tensor, target: Tensor, reduction: str) -> Tensor:
    return torch.soft_margin_loss(input, target, reduction_number(reduction))


def F_multi_margin_loss(input: Tensor, target: Tensor, p: number, margin: number, weight: Optional[Tensor],
                        reduction: str) -> Tensor:
    return torch.multi_margin_loss(input, target, p, margin, weight, reduction_number(reduction))


def F_multilabel_margin_loss(input: Tensor, target: Tensor, reduction: str) -> Tensor:
    return torch.multilabel_margin_loss(input, target, reduction_number(reduction))


def F_multilabel_soft_margin_loss(input: Tensor, target: Tensor, weight: Optional[Tensor], reduction: str) -> Tensor:
    loss = -(target * torch.log_sigmoid(input) + (1 - target) * torch.log_sigmoid(-input))
    if weight is not None:
        loss = loss * weight
    return reduced(torch.mean(loss, [-1]), reduction)


def F_hinge_embedding_loss(input: Tensor, target: Tensor, margin: float, reduction: str) -> Tensor:
    return torch.hinge_embedding_loss(input, target, margin, reduction_number(reduction))


def F_cosine_embedding_loss(input1: Tensor, input2: Tensor, target: Tensor, margin: float, reduction: str) -> Tensor:
    return torch.cosine_embedding_loss(input1, input2, target, margin, reduction_number(reduction))


def F_margin_ranking_loss(input1: Tensor, input2: Tensor, target: Tensor, margin: float, reduction: str) -> Tensor:
    return torch.margin_ranking_loss(input1, input2, target, margin, reduction_number(reduction))


def F_triplet_margin_loss(anchor: Tensor, positive: Tensor, negative: Tensor, margin: float, p: float, eps: float,
                          swap: bool, reduction: str) -> Tensor:
    if margin <= 0:
        raise ValueError("margin must be greater than 0")
    return torch.triplet_margin_loss(anchor, positive, negative, margin, p, eps, swap, reduction_number(reduction))


def F_triplet_margin_with_distance_loss(anchor: Tensor, positive: Tensor, negative: Tensor, margin: float, swap: bool,
                                        reduction: str) -> Tensor:
    if margin <= 0:
        raise ValueError("margin must be greater than 0")
    to_negative = torch.pairwise_distance(anchor, negative)
    if swap:
        to_negative = torch.minimum(to_negative, torch.pairwise_distance(positive, negative))
    return reduced(torch.clamp_min(margin + torch.pairwise_distance(anchor, positive) - to_negative, 0), reduction)


def F_poisson_nll_loss(input: Tensor, target: Tensor, log_input: bool, full: bool, eps: float,
                       reduction: str) -> Tensor:
    return torch.poisson_nll_loss(input, target, log_input, full, eps, reduction_number(reduction))


def gaussian_nll(input: Tensor, target: Tensor, var: Tensor, full: bool, eps: float, reduction: str) -> Tensor:
    if bool(torch.any(var < 0)):
        raise ValueError("var has negative entry/entries")
    if var.size() != input.size():
        if input.size()[:-1] == var.size():
            var = torch.unsqueeze(var, -1)
        elif input.dim() != var.dim():
            raise ValueError("var is of incorrect size")
    var = torch.clamp(var, eps)
    loss = 0.5 * (torch.log(var) + torch.square(input - target) / var)
    if full:
        loss = loss + 0.9189385332046727
    return reduced(loss, reduction)


def F_gaussian_nll_loss(input: Tensor, target: Tensor, var: Tensor, full: bool, eps: float, reduction: str) -> Tensor:
    return gaussian_nll(input, target, var, full, eps, reduction)


def F_gaussian_nll_loss(input: Tensor, target: Tensor, var: float, full: bool, eps: float, reduction: str) -> Tensor:
    return gaussian_nll(input, target, torch.full_like(input, var), full, eps, reduction)


def F_ctc_loss(log_probs: Tensor, targets: Tensor, input_lengths: Tensor, target_lengths: Tensor, blank: int,
               reduction: str, zero_infinity: bool) -> Tensor:
    return torch.ctc_loss(log_probs, targets, input_lengths, target_lengths, blank, reduction_number(reduction),
                          zero_infinity)


def F_ctc_loss(log_probs: Tensor, targets: Tensor, input_lengths: List[int], target_lengths: List[int], blank: int,
               reduction: str, zero_infinity: bool) -> Tensor:
    return torch.ctc_loss(log_probs, targets, input_lengths, target_lengths, blank, reduction_number(reduction),
                          zero_infinity)
