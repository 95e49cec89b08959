#include "server/torch/graph/operator_memory.h"

#include <ATen/core/dispatch/Dispatcher.h>

#include <algorithm>
#include <array>
#include <string>
#include <unordered_set>

namespace torchferry::libtorch {
namespace {

using Names = std::unordered_set<std::string_view>;

// Of aten, composed of other operators, and never an input: each ends in an operator that allocates.
const Names& FreshComposites() {
  static const auto* const names = new Names{
      // recurrent
      "lstm",
      "lstm_cell",
      "gru",
      "gru_cell",
      "rnn_tanh",
      "rnn_tanh_cell",
      "rnn_relu",
      "rnn_relu_cell",
      "quantized_lstm_cell",
      "quantized_gru_cell",
      "quantized_rnn_tanh_cell",
      "quantized_rnn_relu_cell",
      "_pad_packed_sequence",
      "pad_sequence",
      // linear algebra
      "linear",
      "matmul",
      "inner",
      "outer",
      "ger",
      "tensordot",
      "cdist",
      "linalg_norm",
      "linalg_vecdot",
      "linalg_matmul",
      "norm",
      "cosine_similarity",
      "pairwise_distance",
      // convolution, pooling, resizing
      "conv1d",
      "conv2d",
      "conv3d",
      "conv_transpose1d",
      "conv_transpose2d",
      "conv_transpose3d",
      "_convolution",
      "_convolution_mode",
      "max_pool1d",
      "max_pool2d",
      "max_pool3d",
      "max_pool1d_with_indices",
      "avg_pool1d",
      "adaptive_avg_pool1d",
      "adaptive_avg_pool2d",
      "adaptive_avg_pool3d",
      "adaptive_max_pool1d",
      "upsample_nearest1d",
      "upsample_nearest2d",
      "upsample_nearest3d",
      "upsample_linear1d",
      "upsample_bilinear2d",
      "upsample_trilinear3d",
      "upsample_bicubic2d",
      "grid_sampler",
      "pad",
      "_pad_circular",
      // norms, attention, activations
      "batch_norm",
      "instance_norm",
      "group_norm",
      "layer_norm",
      "rms_norm",
      "scaled_dot_product_attention",
      "softmax",
      "log_softmax",
      "special_softmax",
      "special_log_softmax",
      "relu6",
      "selu",
      "rrelu",
      "prelu",
      // element by element
      "absolute",
      "arccos",
      "arccosh",
      "arcsin",
      "arcsinh",
      "arctan",
      "arctan2",
      "arctanh",
      "clip",
      "divide",
      "fix",
      "multiply",
      "negative",
      "square",
      "subtract",
      "true_divide",
      "greater",
      "greater_equal",
      "less",
      "less_equal",
      "not_equal",
      "float_power",
      "isclose",
      "isfinite",
      "isreal",
      "where",
      "__and__",
      "__or__",
      "__xor__",
      "special_expit",
      "special_erf",
      "special_exp2",
      "special_expm1",
      "special_log1p",
      "special_xlogy",
      // reductions and joins
      "all",
      "any",
      "argsort",
      "argwhere",
      "cat",
      "concat",
      "concatenate",
      "cross_entropy_loss",
      "dstack",
      "hstack",
      "vstack",
      "row_stack",
      "logsumexp",
      "max",
      "mean",
      "median",
      "min",
      "nll_loss_nd",
      "one_hot",
      "prod",
      "quantile",
      "repeat_interleave",
      "std",
      "std_mean",
      "sum",
      "tile",
      "var",
      "var_mean",
      "cumsum",
      "cumprod",
      "logcumsumexp",
      // signals and quantisation
      "fft_fft",
      "fft_ifft",
      "fft_rfft",
      "fft_irfft",
      "stft",
      "istft",
      "fake_quantize_per_channel_affine",
      "fake_quantize_per_tensor_affine",
  };
  return *names;
}

// Of aten, not composed, that give an input's memory without saying so.
const Names& AliasesInDisguise() {
  static const auto* const names = new Names{
      "_unsafe_view",
      "unsafe_split",
      "unsafe_split_with_sizes",
      "lift",
      "data",
      "dequantize",
      "set",
      "_embedding_bag",
      "_embedding_bag_forward_only",
      "q_per_channel_scales",
      "q_per_channel_zero_points",
      "lu_unpack",
      "_cudnn_rnn",
      "_slow_conv2d_forward",
      "slow_conv3d_forward",
      "channel_shuffle",
      "pixel_shuffle",
      "pixel_unshuffle",
      "to_mkldnn",
      "to_padded_tensor",
      "_mkldnn_reshape",
      "_mkldnn_transpose",
      "_make_per_tensor_quantized_tensor",
      "_make_per_channel_quantized_tensor",
  };
  return *names;
}

// Of quantized: compute what they give. Others pack and unpack.
bool IsFreshQuantized(std::string_view name) {
  if (name.find("pack") != std::string_view::npos) return false;
  constexpr std::array kComputed = {
      std::string_view("linear"),
      std::string_view("conv"),
      std::string_view("add"),
      std::string_view("mul"),
      std::string_view("cat"),
      std::string_view("matmul"),
      std::string_view("batch_norm"),
      std::string_view("layer_norm"),
      std::string_view("group_norm"),
      std::string_view("instance_norm"),
      std::string_view("hardswish"),
      std::string_view("leaky_relu"),
      std::string_view("elu"),
      std::string_view("celu"),
      std::string_view("sigmoid"),
      std::string_view("softmax"),
      std::string_view("embedding_byte"),
      std::string_view("embedding_4bit"),
  };
  return std::ranges::any_of(kComputed, [&](std::string_view computed) { return name.starts_with(computed); });
}

bool HoldsContainer(const c10::TypePtr& type) {
  switch (type->kind()) {
    case c10::TypeKind::ListType:
    case c10::TypeKind::DictType:
      return true;
    default:
      return false;
  }
}

constexpr std::array kRunning = {std::string_view("running_mean"), std::string_view("running_var")};
constexpr std::array kFirst = {std::string_view("qx")};

constexpr std::array kHiddenWrites = {
    HiddenWrite{"aten::instance_norm", "use_input_stats", kRunning, true},
    HiddenWrite{"aten::batch_norm", "training", kRunning, true},
    HiddenWrite{"aten::native_batch_norm", "training", kRunning, true},
    HiddenWrite{"aten::cudnn_batch_norm", "training", kRunning, true},
    HiddenWrite{"aten::miopen_batch_norm", "training", kRunning, true},
    HiddenWrite{"aten::_batch_norm_impl_index", "training", kRunning, true},
    HiddenWrite{"aten::batch_norm_update_stats", "", kRunning, true},
    HiddenWrite{"aten::batch_norm_gather_stats", "", kRunning, true},
    HiddenWrite{"aten::batch_norm_gather_stats_with_counts", "", kRunning, true},
    HiddenWrite{"quantized::relu6", "inplace", kFirst, false},
};

constexpr std::array kMayCopy = {
    std::string_view("aten::contiguous"),
    std::string_view("aten::reshape"),
    std::string_view("aten::reshape_as"),
    std::string_view("aten::flatten"),
    std::string_view("aten::ravel"),
    std::string_view("aten::to"),
    std::string_view("aten::cpu"),
    std::string_view("aten::cuda"),
    std::string_view("aten::as_tensor"),
    std::string_view("aten::resolve_conj"),
    std::string_view("aten::resolve_neg"),
    std::string_view("aten::pin_memory"),
    std::string_view("aten::coalesce"),
    std::string_view("aten::_autocast_to_reduced_precision"),
    std::string_view("aten::_autocast_to_full_precision"),
};

}  // namespace

BareOutput OutputWithoutAnnotation(const c10::FunctionSchema& schema) {
  const std::string_view full = schema.name();
  const size_t colons = full.find("::");
  const std::string_view name_space = full.substr(0, colons);
  const std::string_view name = colons == std::string_view::npos ? full : full.substr(colons + 2);
  if (name_space == "quantized") return IsFreshQuantized(name) ? BareOutput::kFresh : BareOutput::kMayAlias;
  if (name_space != "aten" && name_space != "prim") return BareOutput::kMayAlias;
  const auto op = c10::Dispatcher::singleton().findSchema(schema.operator_name());
  if (!op.has_value()) {  // the interpreter's own: lists, dicts, numbers
    const bool gives_list = std::ranges::all_of(
        schema.returns(), [](const c10::Argument& returned) { return HoldsContainer(returned.type()); });
    return gives_list ? BareOutput::kNewList : BareOutput::kMayAlias;
  }
  if (op->hasKernelForDispatchKey(c10::DispatchKey::CompositeImplicitAutograd)) {
    return FreshComposites().contains(name) ? BareOutput::kFresh : BareOutput::kMayAlias;
  }
  const bool is_alias = AliasesInDisguise().contains(name) || name.starts_with("sparse_") ||
                        name.starts_with("_sparse_") || name.starts_with("_nested_") || name.starts_with("_to_sparse");
  return is_alias ? BareOutput::kMayAlias : BareOutput::kFresh;
}

bool MayCopy(std::string_view op) { return std::ranges::find(kMayCopy, op) != kMayCopy.end(); }

const HiddenWrite* FindHiddenWrite(std::string_view op) {
  const auto* const found = std::ranges::find(kHiddenWrites, op, &HiddenWrite::op);
  return found == kHiddenWrites.end() ? nullptr : found;
}

bool ReplacesMemory(std::string_view op) {
  return op == "aten::set_" || op == "aten::set_data" || op == "aten::_cudnn_rnn_flatten_weight";
}

}  // namespace torchferry::libtorch
