# torch.nn.functional.multi_head_attention_forward. Tensors are (length, batch, features), or (length, features).


def float_mask(mask: Optional[Tensor], like: Tensor) -> Optional[Tensor]:
    if mask is None:
        return None
    if torch.is_floating_point(mask):
        return mask
    return torch.masked_fill(torch.zeros_like(mask, dtype=like.dtype), mask, -float("inf"))


def longer(mask: Optional[Tensor]) -> Optional[Tensor]:
    if mask is None:
        return None
    return torch.pad(mask, [0, 1])


def part_of(tensor: Optional[Tensor], index: int) -> Optional[Tensor]:
    if tensor is None:
        return None
    return torch.chunk(tensor, 3)[index]


def heads(tensor: Tensor, fixed: Optional[Tensor], count: int) -> Tensor:
    if fixed is not None:
        return fixed
    return torch.transpose(torch.reshape(tensor, [tensor.size(0), count, -1]), 0, 1)


def projected(
        inputs: List[Tensor], in_proj_weight: Optional[Tensor], in_proj_bias: Optional[Tensor],
        weights: List[Optional[Tensor]]) -> List[Tensor]:
    outputs = annotate(List[Tensor], [])
    for i in range(3):
        weight = part_of(in_proj_weight, i)
        if weight is None:
            weight = weights[i]
        if weight is None:
            raise ValueError("multi_head_attention_forward: a projection's weight is None")
        outputs.append(torch.linear(inputs[i], weight, part_of(in_proj_bias, i)))
    return outputs


def attend(
        query: Tensor, key: Tensor, value: Tensor, num_heads: int, in_proj_weight: Optional[Tensor],
        in_proj_bias: Optional[Tensor], bias_k: Optional[Tensor], bias_v: Optional[Tensor], add_zero_attn: bool,
        key_padding_mask: Optional[Tensor], attn_mask: Optional[Tensor], weights: List[Optional[Tensor]],
        static_k: Optional[Tensor], static_v: Optional[Tensor]) -> Tuple[Tensor, Tensor]:
    length, batch, features = query.size()
    padding = float_mask(key_padding_mask, query)
    mask = float_mask(attn_mask, query)
    if mask is not None and mask.dim() == 2:
        mask = torch.unsqueeze(mask, 0)
    q, k, v = projected([query, key, value], in_proj_weight, in_proj_bias, weights)
    if bias_k is not None and bias_v is not None:
        k = torch.cat([k, torch.repeat(bias_k, [1, batch, 1])])
        v = torch.cat([v, torch.repeat(bias_v, [1, batch, 1])])
        mask = longer(mask)
        padding = longer(padding)
    q = heads(q, None, batch * num_heads)
    k = heads(k, static_k, batch * num_heads)
    v = heads(v, static_v, batch * num_heads)
    if add_zero_attn:
        nothing = torch.zeros([batch * num_heads, 1, q.size(2)], dtype=k.dtype, device=k.device)
        k = torch.cat([k, nothing], 1)
        v = torch.cat([v, nothing], 1)
        mask = longer(mask)
        padding = longer(padding)
    scores = torch.bmm(q * (float(q.size(2)) ** -0.5), torch.transpose(k, 1, 2))
    if mask is not None:
        scores = scores + mask
    if padding is not None:
        per_head = torch.expand(torch.reshape(padding, [batch, 1, 1, k.size(1)]), [-1, num_heads, -1, -1])
        scores = scores + torch.reshape(per_head, [batch * num_heads, 1, k.size(1)])
    attention = torch.softmax(scores, -1)
    mixed = torch.reshape(torch.transpose(torch.bmm(attention, v), 0, 1), [length, batch, features])
    return mixed, torch.reshape(attention, [batch, num_heads, length, k.size(1)])


def F_multi_head_attention_forward__need_weights(
        query: Tensor, key: Tensor, value: Tensor, embed_dim_to_check: int, num_heads: int,
        in_proj_weight: Optional[Tensor], in_proj_bias: Optional[Tensor], bias_k: Optional[Tensor],
        bias_v: Optional[Tensor], add_zero_attn: bool, dropout_p: float, out_proj_weight: Tensor,
        out_proj_bias: Optional[Tensor], training: bool, key_padding_mask: Optional[Tensor],
        attn_mask: Optional[Tensor], use_separate_proj_weight: bool, q_proj_weight: Optional[Tensor],
        k_proj_weight: Optional[Tensor], v_proj_weight: Optional[Tensor], static_k: Optional[Tensor],
        static_v: Optional[Tensor], average_attn_weights: bool, is_causal: bool) -> Tuple[Tensor, Tensor]:
    if training and dropout_p > 0.0:
        raise ValueError("multi_head_attention_forward: write training=False, or dropout_p=0.0")
    if is_causal and attn_mask is None:
        raise ValueError("multi_head_attention_forward: is_causal needs an attn_mask")
    if query.size(-1) != embed_dim_to_check or embed_dim_to_check % num_heads != 0:
        raise ValueError("multi_head_attention_forward: the embedding dimension does not fit")
    is_batched = query.dim() == 3
    if not is_batched:
        query = torch.unsqueeze(query, 1)
        key = torch.unsqueeze(key, 1)
        value = torch.unsqueeze(value, 1)
        if key_padding_mask is not None:
            key_padding_mask = torch.unsqueeze(key_padding_mask, 0)
    packed = in_proj_weight
    if use_separate_proj_weight:
        packed = None
    mixed, attention = attend(query, key, value, num_heads, packed, in_proj_bias, bias_k, bias_v, add_zero_attn,
                              key_padding_mask, attn_mask, [q_proj_weight, k_proj_weight, v_proj_weight], static_k,
                              static_v)
    output = torch.linear(mixed, out_proj_weight, out_proj_bias)
    if average_attn_weights:
        attention = torch.mean(attention, [1])
    if not is_batched:
        return torch.squeeze(output, 1), torch.squeeze(attention, 0)
    return output, attention


def F_multi_head_attention_forward(
        query: Tensor, key: Tensor, value: Tensor, embed_dim_to_check: int, num_heads: int,
        in_proj_weight: Optional[Tensor], in_proj_bias: Optional[Tensor], bias_k: Optional[Tensor],
        bias_v: Optional[Tensor], add_zero_attn: bool, dropout_p: float, out_proj_weight: Tensor,
        out_proj_bias: Optional[Tensor], training: bool, key_padding_mask: Optional[Tensor],
        attn_mask: Optional[Tensor], use_separate_proj_weight: bool, q_proj_weight: Optional[Tensor],
        k_proj_weight: Optional[Tensor], v_proj_weight: Optional[Tensor], static_k: Optional[Tensor],
        static_v: Optional[Tensor], average_attn_weights: bool, is_causal: bool) -> Tuple[Tensor, Optional[Tensor]]:
    output, _ = F_multi_head_attention_forward__need_weights(
        query, key, value, embed_dim_to_check, num_heads, in_proj_weight, in_proj_bias, bias_k, bias_v, add_zero_attn,
        dropout_p, out_proj_weight, out_proj_bias, training, key_padding_mask, attn_mask, use_separate_proj_weight,
        q_proj_weight, k_proj_weight, v_proj_weight, static_k, static_v, average_attn_weights, is_causal)
    nothing = annotate(Optional[Tensor], None)
    return output, nothing
