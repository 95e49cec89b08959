# Dropout. With `training`, which is Python's default for most, it draws at each call.


def F_dropout(input: Tensor, p: float, training: bool) -> Tensor:
    return torch.dropout(input, p, training)


def F_dropout__training(input: Tensor, p: float) -> Tensor:
    return torch.dropout(input, p, True)


def F_dropout__inplace(input: Tensor, p: float, training: bool) -> Tensor:
    return torch.dropout_(input, p, training)


def F_dropout__training__inplace(input: Tensor, p: float) -> Tensor:
    return torch.dropout_(input, p, True)


def F_alpha_dropout(input: Tensor, p: float, training: bool) -> Tensor:
    return torch.alpha_dropout(input, p, training)


def F_alpha_dropout__training(input: Tensor, p: float) -> Tensor:
    return torch.alpha_dropout(input, p, True)


def F_alpha_dropout__inplace(input: Tensor, p: float, training: bool) -> Tensor:
    return torch.alpha_dropout_(input, p, training)


def F_alpha_dropout__training__inplace(input: Tensor, p: float) -> Tensor:
    return torch.alpha_dropout_(input, p, True)


def F_feature_alpha_dropout(input: Tensor, p: float, training: bool) -> Tensor:
    return torch.feature_alpha_dropout(input, p, training)


def F_feature_alpha_dropout__training(input: Tensor, p: float) -> Tensor:
    return torch.feature_alpha_dropout(input, p, True)


def F_feature_alpha_dropout__inplace(input: Tensor, p: float, training: bool) -> Tensor:
    return torch.feature_alpha_dropout_(input, p, training)


def F_feature_alpha_dropout__training__inplace(input: Tensor, p: float) -> Tensor:
    return torch.feature_alpha_dropout_(input, p, True)


def F_dropout1d(input: Tensor, p: float, training: bool) -> Tensor:
    if input.dim() != 2 and input.dim() != 3:
        raise ValueError("dropout1d: Expected 2D or 3D input")
    if input.dim() == 2:
        return torch.squeeze(torch.feature_dropout(torch.unsqueeze(input, 0), p, training), 0)
    return torch.feature_dropout(input, p, training)


def F_dropout1d__training(input: Tensor, p: float) -> Tensor:
    if input.dim() != 2 and input.dim() != 3:
        raise ValueError("dropout1d: Expected 2D or 3D input")
    if input.dim() == 2:
        return torch.squeeze(torch.feature_dropout(torch.unsqueeze(input, 0), p, True), 0)
    return torch.feature_dropout(input, p, True)


def F_dropout2d(input: Tensor, p: float, training: bool) -> Tensor:
    return torch.feature_dropout(input, p, training)


def F_dropout2d__training(input: Tensor, p: float) -> Tensor:
    return torch.feature_dropout(input, p, True)


def F_dropout2d__inplace(input: Tensor, p: float, training: bool) -> Tensor:
    return torch.feature_dropout_(input, p, training)


def F_dropout2d__training__inplace(input: Tensor, p: float) -> Tensor:
    return torch.feature_dropout_(input, p, True)


def F_dropout3d(input: Tensor, p: float, training: bool) -> Tensor:
    if input.dim() == 4:
        return torch.squeeze(torch.feature_dropout(torch.unsqueeze(input, 0), p, training), 0)
    return torch.feature_dropout(input, p, training)


def F_dropout3d__training(input: Tensor, p: float) -> Tensor:
    if input.dim() == 4:
        return torch.squeeze(torch.feature_dropout(torch.unsqueeze(input, 0), p, True), 0)
    return torch.feature_dropout(input, p, True)


def torch_manual_seed(seed: int):
    torch.manual_seed(seed)
