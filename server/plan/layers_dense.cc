#include "server/plan/layer_texts.h"

namespace torchferry::plan {

// Names that begin with an underscore are this file's own. `_numbers` gives one number for each dimension.
const std::string_view kDenseLayers = R"py(
def _numbers(value, count):
    if isinstance(value, int) or isinstance(value, float):
        return [value] * count
    if len(value) != count:
        raise ValueError(f"{value} was given where {count} numbers were expected")
    return list(value)


class Sequential:
    def __init__(self, *layers):
        if len(layers) == 1 and isinstance(layers[0], dict):
            for name, layer in layers[0].items():
                self.add_module(name, layer)
        else:
            self.extend(layers)

    def forward(self, input):
        for layer in self:
            input = layer(input)
        return input


class ModuleList:
    def __init__(self, modules=None):
        if modules is not None:
            self.extend(modules)


class ModuleDict:
    def __init__(self, modules=None):
        if modules is not None:
            if isinstance(modules, dict):
                modules = modules.items()
            for name, layer in modules:
                self.add_module(name, layer)


class Identity:
    def __init__(self, *args, **kwargs):
        pass

    def forward(self, input):
        return input


class Flatten:
    def __init__(self, start_dim=1, end_dim=-1):
        pass

    def forward(self, input: Tensor) -> Tensor:
        return torch.flatten(input, self.start_dim, self.end_dim)


class Unflatten:
    def __init__(self, dim, unflattened_size):
        self.sizes = list(unflattened_size)

    def forward(self, input: Tensor) -> Tensor:
        return torch.unflatten(input, self.dim, self.sizes)


class Linear:
    def __init__(self, in_features, out_features, bias=True, device=None, dtype=None):
        self.weight = nn.Parameter(torch.empty(out_features, in_features))
        self.bias = nn.Parameter(torch.empty(out_features)) if bias else None

    def forward(self, input: Tensor) -> Tensor:
        return torch.linear(input, self.weight, self.bias)


class Bilinear:
    def __init__(self, in1_features, in2_features, out_features, bias=True, device=None, dtype=None):
        self.weight = nn.Parameter(torch.empty(out_features, in1_features, in2_features))
        self.bias = nn.Parameter(torch.empty(out_features)) if bias else None

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        return torch.bilinear(input1, input2, self.weight, self.bias)


class Embedding:
    def __init__(self, num_embeddings, embedding_dim, padding_idx=None, max_norm=None, norm_type=2.0,
                 scale_grad_by_freq=False, sparse=False, _weight=None, _freeze=False, device=None, dtype=None):
        if max_norm is not None:
            raise ValueError("max_norm changes the weights in each forward pass; leave it out, with weights that were "
                             "renormalised before they were saved")
        self.weight = nn.Parameter(torch.empty(num_embeddings, embedding_dim))

    def forward(self, input: Tensor) -> Tensor:
        return torch.embedding(self.weight, input)


class EmbeddingBag:
    def __init__(self, num_embeddings, embedding_dim, max_norm=None, norm_type=2.0, scale_grad_by_freq=False,
                 mode='mean', sparse=False, _weight=None, include_last_offset=False, padding_idx=None, device=None,
                 dtype=None):
        if max_norm is not None:
            raise ValueError("max_norm changes the weights in each forward pass; leave it out, with weights that were "
                             "renormalised before they were saved")
        self.mode_number = ['sum', 'mean', 'max'].index(mode)
        self.padding = -1 if padding_idx is None else padding_idx
        self.weight = nn.Parameter(torch.empty(num_embeddings, embedding_dim))

    def forward(self, input: Tensor, offsets: Optional[Tensor] = None,
                per_sample_weights: Optional[Tensor] = None) -> Tensor:
        weights = per_sample_weights
        if input.dim() == 2:
            if offsets is not None:
                raise ValueError("offsets are for indices of one dimension; these have two")
            starts = torch.arange(0, input.numel(), input.size(1), dtype=input.dtype, device=input.device)
            if weights is not None:
                weights = weights.reshape(-1)
            input = input.reshape(-1)
        else:
            if offsets is None:
                raise ValueError("offsets are needed for indices of one dimension")
            starts = offsets
        bags, _, _, _ = torch.embedding_bag(self.weight, input, starts, False, self.mode_number, False, weights,
                                            self.include_last_offset, self.padding)
        return bags


class CosineSimilarity:
    def __init__(self, dim=1, eps=1e-8):
        pass

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return torch.cosine_similarity(x1, x2, self.dim, self.eps)


class PairwiseDistance:
    def __init__(self, p=2.0, eps=1e-6, keepdim=False):
        pass

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return torch.pairwise_distance(x1, x2, self.p, self.eps, self.keepdim)
)py";

}  // namespace torchferry::plan
