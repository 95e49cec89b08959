#include "server/plan/layer_texts.h"

namespace torchferry::plan {

// Of MultiheadAttention a call with the literal need_weights=False is one of forward_without_weights, and one that says
// True or nothing is one of forward_with_weights (layer_value.cc).
const std::string_view kAttentionLayers = R"py(
class MultiheadAttention:
    def __init__(self, embed_dim, num_heads, dropout=0.0, bias=True, add_bias_kv=False, add_zero_attn=False, kdim=None,
                 vdim=None, batch_first=False, device=None, dtype=None):
        if embed_dim % num_heads != 0:
            raise ValueError(f"embed_dim={embed_dim} is to be divisible by num_heads={num_heads}")
        self.head_dim = embed_dim // num_heads
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self.is_packed = self.kdim == embed_dim and self.vdim == embed_dim
        if self.is_packed:
            self.in_proj_weight = nn.Parameter(torch.empty(3 * embed_dim, embed_dim))
        else:
            self.q_proj_weight = nn.Parameter(torch.empty(embed_dim, embed_dim))
            self.k_proj_weight = nn.Parameter(torch.empty(embed_dim, self.kdim))
            self.v_proj_weight = nn.Parameter(torch.empty(embed_dim, self.vdim))
        self.has_bias = bias
        if bias:
            self.in_proj_bias = nn.Parameter(torch.empty(3 * embed_dim))
        self.out_proj = Linear(embed_dim, embed_dim, bias=bias)
        if add_bias_kv:
            self.bias_k = nn.Parameter(torch.empty(1, 1, embed_dim))
            self.bias_v = nn.Parameter(torch.empty(1, 1, embed_dim))

    def projected(self, query: Tensor, key: Tensor, value: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
        if self.is_packed:
            weights = self.in_proj_weight.chunk(3)
            wq, wk, wv = weights[0], weights[1], weights[2]
        else:
            wq, wk, wv = self.q_proj_weight, self.k_proj_weight, self.v_proj_weight
        if self.has_bias:
            biases = self.in_proj_bias.chunk(3)
            return (torch.linear(query, wq, biases[0]), torch.linear(key, wk, biases[1]),
                    torch.linear(value, wv, biases[2]))
        else:
            return torch.linear(query, wq), torch.linear(key, wk), torch.linear(value, wv)

    def added(self, mask: Tensor, like: Tensor) -> Tensor:
        if mask.is_floating_point():
            return mask.to(like.dtype)
        zeros = torch.zeros_like(mask, dtype=like.dtype)
        return zeros.masked_fill(torch.ne(mask, 0), float('-inf'))

    def attend(self, query: Tensor, key: Tensor, value: Tensor, key_padding_mask: Optional[Tensor],
               attn_mask: Optional[Tensor], average_attn_weights: bool) -> Tuple[Tensor, Tensor]:
        is_batched = query.dim() == 3
        padding = key_padding_mask
        if not is_batched:
            query = query.unsqueeze(1)
            key = key.unsqueeze(1)
            value = value.unsqueeze(1)
            if padding is not None:
                padding = padding.unsqueeze(0)
        elif self.batch_first:
            query = query.transpose(0, 1)
            key = key.transpose(0, 1)
            value = value.transpose(0, 1)
        length, batch = query.size(0), query.size(1)
        q, k, v = self.projected(query, key, value)
        extra = 0
        if self.add_bias_kv:
            k = torch.cat([k, self.bias_k.repeat(1, batch, 1)])
            v = torch.cat([v, self.bias_v.repeat(1, batch, 1)])
            extra += 1
        q = q.reshape(length, batch * self.num_heads, self.head_dim).transpose(0, 1)
        k = k.reshape(-1, batch * self.num_heads, self.head_dim).transpose(0, 1)
        v = v.reshape(-1, batch * self.num_heads, self.head_dim).transpose(0, 1)
        if self.add_zero_attn:
            zeros = torch.zeros([batch * self.num_heads, 1, self.head_dim], dtype=k.dtype, device=k.device)
            k = torch.cat([k, zeros], 1)
            v = torch.cat([v, zeros], 1)
            extra += 1
        scores = torch.bmm(torch.mul(q, self.head_dim ** -0.5), k.transpose(1, 2))
        if attn_mask is not None:
            mask = self.added(attn_mask, q)
            if extra > 0:
                mask = torch.pad(mask, [0, extra])
            scores = torch.add(scores, mask)
        if padding is not None:
            mask = self.added(padding, q)
            if extra > 0:
                mask = torch.pad(mask, [0, extra])
            heads = scores.view(batch, self.num_heads, length, -1)
            scores = torch.add(heads, mask.view(batch, 1, 1, -1)).view(batch * self.num_heads, length, -1)
        weights = torch.softmax(scores, -1)
        result = torch.bmm(weights, v).transpose(0, 1).reshape(length, batch, self.embed_dim)
        result = self.out_proj(result)
        weights = weights.view(batch, self.num_heads, length, -1)
        if average_attn_weights:
            weights = weights.mean(1)
        if not is_batched:
            return result.squeeze(1), weights.squeeze(0)
        if self.batch_first:
            return result.transpose(0, 1), weights
        return result, weights

    def forward_with_weights(self, query: Tensor, key: Tensor, value: Tensor,
                             key_padding_mask: Optional[Tensor] = None, need_weights: bool = True,
                             attn_mask: Optional[Tensor] = None, average_attn_weights: bool = True,
                             is_causal: bool = False) -> Tuple[Tensor, Tensor]:
        if is_causal and attn_mask is None:
            raise ValueError("is_causal is a hint about attn_mask, which is needed with it")
        return self.attend(query, key, value, key_padding_mask, attn_mask, average_attn_weights)

    def forward_without_weights(self, query: Tensor, key: Tensor, value: Tensor,
                                key_padding_mask: Optional[Tensor] = None, need_weights: bool = False,
                                attn_mask: Optional[Tensor] = None, average_attn_weights: bool = True,
                                is_causal: bool = False) -> Tuple[Tensor, Optional[Tensor]]:
        if is_causal and attn_mask is None:
            raise ValueError("is_causal is a hint about attn_mask, which is needed with it")
        return self.attend(query, key, value, key_padding_mask, attn_mask, False)[0], None

    def forward(self, query: Tensor, key: Tensor, value: Tensor, key_padding_mask: Optional[Tensor] = None,
                need_weights: bool = True, attn_mask: Optional[Tensor] = None, average_attn_weights: bool = True,
                is_causal: bool = False) -> Tuple[Tensor, Optional[Tensor]]:
        if is_causal and attn_mask is None:
            raise ValueError("is_causal is a hint about attn_mask, which is needed with it")
        result, weights = self.attend(query, key, value, key_padding_mask, attn_mask, average_attn_weights)
        kept: Optional[Tensor] = None
        if need_weights:
            kept = weights
        return result, kept


def _activation(given):
    if given == 'relu' or given == F.relu or given == torch.relu or isinstance(given, nn.ReLU):
        return nn.ReLU()
    if given == 'gelu' or given == F.gelu:
        return nn.GELU()
    if isinstance(given, nn.GELU):
        return given
    raise ValueError("the activation is to be 'relu', 'gelu', F.relu, F.gelu, nn.ReLU() or nn.GELU(…)")


class TransformerEncoderLayer:
    def __init__(self, d_model, nhead, dim_feedforward=2048, dropout=0.1, activation=F.relu, layer_norm_eps=1e-5,
                 batch_first=False, norm_first=False, bias=True, device=None, dtype=None):
        self.self_attn = MultiheadAttention(d_model, nhead, dropout=dropout, bias=bias, batch_first=batch_first)
        self.linear1 = Linear(d_model, dim_feedforward, bias=bias)
        self.linear2 = Linear(dim_feedforward, d_model, bias=bias)
        self.norm1 = LayerNorm(d_model, eps=layer_norm_eps, bias=bias)
        self.norm2 = LayerNorm(d_model, eps=layer_norm_eps, bias=bias)
        self.activation = _activation(activation)

    def attended(self, x: Tensor, mask: Optional[Tensor], padding: Optional[Tensor]) -> Tensor:
        return self.self_attn(x, x, x, attn_mask=mask, key_padding_mask=padding, need_weights=False)[0]

    def fed(self, x: Tensor) -> Tensor:
        return self.linear2(self.activation(self.linear1(x)))

    def forward(self, src: Tensor, src_mask: Optional[Tensor] = None, src_key_padding_mask: Optional[Tensor] = None,
                is_causal: bool = False) -> Tensor:
        x = src
        if self.norm_first:
            x = torch.add(x, self.attended(self.norm1(x), src_mask, src_key_padding_mask))
            return torch.add(x, self.fed(self.norm2(x)))
        else:
            x = self.norm1(torch.add(x, self.attended(x, src_mask, src_key_padding_mask)))
            return self.norm2(torch.add(x, self.fed(x)))


class TransformerEncoder:
    def __init__(self, encoder_layer, num_layers, norm=None, enable_nested_tensor=True, mask_check=True):
        self.layers = nn.ModuleList([encoder_layer for i in range(num_layers)])
        self.norm = norm

    def forward(self, src: Tensor, mask: Optional[Tensor] = None, src_key_padding_mask: Optional[Tensor] = None,
                is_causal: Optional[bool] = None) -> Tensor:
        x = src
        for layer in self.layers:
            x = layer(x, src_mask=mask, src_key_padding_mask=src_key_padding_mask)
        if self.norm is not None:
            x = self.norm(x)
        return x


class TransformerDecoderLayer:
    def __init__(self, d_model, nhead, dim_feedforward=2048, dropout=0.1, activation=F.relu, layer_norm_eps=1e-5,
                 batch_first=False, norm_first=False, bias=True, device=None, dtype=None):
        self.self_attn = MultiheadAttention(d_model, nhead, dropout=dropout, bias=bias, batch_first=batch_first)
        self.multihead_attn = MultiheadAttention(d_model, nhead, dropout=dropout, bias=bias, batch_first=batch_first)
        self.linear1 = Linear(d_model, dim_feedforward, bias=bias)
        self.linear2 = Linear(dim_feedforward, d_model, bias=bias)
        self.norm1 = LayerNorm(d_model, eps=layer_norm_eps, bias=bias)
        self.norm2 = LayerNorm(d_model, eps=layer_norm_eps, bias=bias)
        self.norm3 = LayerNorm(d_model, eps=layer_norm_eps, bias=bias)
        self.activation = _activation(activation)

    def attended(self, x: Tensor, mask: Optional[Tensor], padding: Optional[Tensor]) -> Tensor:
        return self.self_attn(x, x, x, attn_mask=mask, key_padding_mask=padding, need_weights=False)[0]

    def crossed(self, x: Tensor, memory: Tensor, mask: Optional[Tensor], padding: Optional[Tensor]) -> Tensor:
        return self.multihead_attn(x, memory, memory, attn_mask=mask, key_padding_mask=padding, need_weights=False)[0]

    def fed(self, x: Tensor) -> Tensor:
        return self.linear2(self.activation(self.linear1(x)))

    def forward(self, tgt: Tensor, memory: Tensor, tgt_mask: Optional[Tensor] = None,
                memory_mask: Optional[Tensor] = None, tgt_key_padding_mask: Optional[Tensor] = None,
                memory_key_padding_mask: Optional[Tensor] = None, tgt_is_causal: bool = False,
                memory_is_causal: bool = False) -> Tensor:
        x = tgt
        if self.norm_first:
            x = torch.add(x, self.attended(self.norm1(x), tgt_mask, tgt_key_padding_mask))
            x = torch.add(x, self.crossed(self.norm2(x), memory, memory_mask, memory_key_padding_mask))
            return torch.add(x, self.fed(self.norm3(x)))
        else:
            x = self.norm1(torch.add(x, self.attended(x, tgt_mask, tgt_key_padding_mask)))
            x = self.norm2(torch.add(x, self.crossed(x, memory, memory_mask, memory_key_padding_mask)))
            return self.norm3(torch.add(x, self.fed(x)))


class TransformerDecoder:
    def __init__(self, decoder_layer, num_layers, norm=None):
        self.layers = nn.ModuleList([decoder_layer for i in range(num_layers)])
        self.norm = norm

    def forward(self, tgt: Tensor, memory: Tensor, tgt_mask: Optional[Tensor] = None,
                memory_mask: Optional[Tensor] = None, tgt_key_padding_mask: Optional[Tensor] = None,
                memory_key_padding_mask: Optional[Tensor] = None, tgt_is_causal: Optional[bool] = None,
                memory_is_causal: bool = False) -> Tensor:
        x = tgt
        for layer in self.layers:
            x = layer(x, memory, tgt_mask=tgt_mask, memory_mask=memory_mask, tgt_key_padding_mask=tgt_key_padding_mask,
                      memory_key_padding_mask=memory_key_padding_mask)
        if self.norm is not None:
            x = self.norm(x)
        return x
)py";

}  // namespace torchferry::plan
