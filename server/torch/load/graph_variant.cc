#include "server/torch/load/graph_variant.h"

#include <torch/csrc/jit/api/module.h>

#include <algorithm>
#include <iterator>
#include <stdexcept>
#include <unordered_map>

#include "server/torch/graph/copy_values.h"
#include "server/torch/graph/graph_walk.h"

namespace torchferry::libtorch {
namespace {

using torch::jit::Module;

// Objects of its own, tensors shared but for those that are ordered anew.
Module WithChannelsLast(const Module& module) {
  std::unordered_map<const c10::TensorImpl*, at::Tensor> ordered;
  ValueCopier copier([&](const c10::IValue& value) -> c10::IValue {
    if (!value.isTensor() || !value.toTensor().defined() || value.toTensor().dim() != 4) return value;
    at::Tensor& copy = ordered[value.toTensor().unsafeGetTensorImpl()];
    if (!copy.defined()) copy = value.toTensor().contiguous(at::MemoryFormat::ChannelsLast);
    return copy;
  });
  return Module(copier.CopyObject(module._ivalue()));
}

Module Freeze(const Module& module, std::string_view variant) {
  // Freezing folds constants by running them: nothing is to be recorded of that.
  const at::NoGradGuard no_gradients;
  if (variant == "frozen") return torch::jit::freeze(module);
  if (variant == "inference") {
    // Freezing first leaves `module` alone; the passes after it change the graph that they are given.
    Module frozen = torch::jit::freeze(module);
    return torch::jit::optimize_for_inference(frozen);
  }
  if (variant == "channels_last") return torch::jit::freeze(WithChannelsLast(module));
  throw std::invalid_argument("no such variant: " + std::string(variant));
}

}  // namespace

Module PrepareGraph(const Module& module, std::string_view variant, CodeOwner& code) {
  if (variant == "plain") return module;
  return code.Own(module, [&] { return Freeze(module, variant); });
}

bool HasImageWeights(const Module& module) {
  const auto is_image = [](const at::Tensor& tensor) { return tensor.defined() && tensor.dim() == 4; };
  for (const at::Tensor& tensor : module.parameters()) {
    if (is_image(tensor)) return true;
  }
  for (const at::Tensor& tensor : module.buffers()) {
    if (is_image(tensor)) return true;
  }
  return false;
}

bool BranchesOnValues(const Module& module) {
  static constexpr std::string_view kReaders[] = {
      "aten::Bool",           "aten::Int",           "aten::Float",
      "aten::item",           "aten::is_nonzero",    "aten::IntImplicit",
      "aten::equal",          "aten::FloatImplicit", "aten::nonzero",
      "aten::ScalarImplicit", "aten::allclose",      "aten::_local_scalar_dense",
      "aten::tolist",         "prim::tolist"};
  bool branches = false;
  bool reads = false;
  const absl::Status walked = WalkGraphs(module, [&](const torch::jit::Node& node, const std::string&) {
    branches |= node.kind() == c10::prim::If || node.kind() == c10::prim::Loop;
    reads |= std::ranges::find(kReaders, std::string_view(node.kind().toQualString())) != std::end(kReaders);
    return absl::OkStatus();
  });
  return branches && reads && walked.ok();
}

}  // namespace torchferry::libtorch
