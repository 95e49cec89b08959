#include "server/torch/run/weight_bytes.h"

#include <unordered_set>

#include "server/torch/graph/graph_walk.h"

namespace torchferry::libtorch {
namespace {

class Sum {
 public:
  void Add(const c10::IValue& value) {
    if (value.isTensor()) {
      Add(value.toTensor());
    } else if (value.isObject()) {
      const auto object = value.toObject();
      if (!seen_.insert(object.get()).second) return;
      for (const c10::IValue& slot : object->slots()) Add(slot);
    } else if (value.isTuple()) {
      for (const c10::IValue& element : value.toTupleRef().elements()) Add(element);
    } else if (value.isList()) {
      for (const c10::IValue& element : value.toListRef()) Add(element);
    } else if (value.isGenericDict()) {
      for (const auto& entry : value.toGenericDict()) Add(entry.value());
    }
  }

  void Add(const at::Tensor& tensor) {
    if (!tensor.defined()) return;
    // oneDNN's own layouts have no storage.
    if (!tensor.has_storage()) {
      if (seen_.insert(tensor.unsafeGetTensorImpl()).second) bytes_ += tensor.numel() * tensor.itemsize();
    } else if (seen_.insert(tensor.storage().unsafeGetStorageImpl()).second) {
      bytes_ += tensor.storage().nbytes();
    }
  }

  void AddConstant(const torch::jit::Node& node) {
    if (node.kind() != c10::prim::Constant || !node.hasAttribute(c10::attr::value)) return;
    const torch::jit::AttributeKind kind = node.kindOf(c10::attr::value);
    if (kind == torch::jit::AttributeKind::t) Add(node.t(c10::attr::value));
    if (kind == torch::jit::AttributeKind::ival) Add(node.ival(c10::attr::value));
  }

  uint64_t bytes() const { return bytes_; }

 private:
  std::unordered_set<const void*> seen_;
  uint64_t bytes_ = 0;
};

}  // namespace

uint64_t WeightBytes(const torch::jit::Module& module) {
  Sum sum;
  sum.Add(c10::IValue(module._ivalue()));
  // Nothing is refused: the walk ends with the last node.
  WalkGraphs(module, [&](const torch::jit::Node& node, const std::string&) {
    sum.AddConstant(node);
    return absl::OkStatus();
  }).IgnoreError();
  return sum.bytes();
}

}  // namespace torchferry::libtorch
