#include "server/torch/graph/copy_module.h"

#include <sstream>
#include <unordered_map>
#include <unordered_set>

#include "server/torch/graph/copy_values.h"

namespace torchferry::libtorch {
namespace {

// What two tensors have in common when a write to one shows in the other.
const void* MemoryOf(const at::Tensor& tensor) {
  if (tensor.has_storage()) return tensor.storage().unsafeGetStorageImpl();
  return tensor.unsafeGetTensorImpl();
}

c10::IValue AttributeAt(const torch::jit::Module& module, const std::string& path) {
  c10::IValue value = module._ivalue();
  std::istringstream names(path);
  for (std::string name; std::getline(names, name, '.');) value = value.toObjectRef().getAttr(name);
  return value;
}

class ModuleCopy {
 public:
  ModuleCopy(const torch::jit::Module& module, const ModuleState& state) : copies_all_(state.writes_any_tensor) {
    if (copies_all_ || !state.writes_tensors) return;
    for (const std::string& path : state.written) {
      const c10::IValue value = AttributeAt(module, path);
      value.visit([&](const c10::IValue& inner) {
        if (inner.isTensor() && inner.toTensor().defined()) written_.insert(MemoryOf(inner.toTensor()));
        return false;
      });
    }
  }

  torch::jit::Module Copy(const torch::jit::Module& module) {
    ValueCopier copier([this](const c10::IValue& value) -> c10::IValue {
      if (value.isTensor()) return Tensor(value.toTensor());
      // A class of C++: only its own code knows what is in it.
      return value.isCustomClass() && copies_all_ ? value.deepcopy() : value;
    });
    return torch::jit::Module(copier.CopyObject(module._ivalue()));
  }

 private:
  at::Tensor Tensor(const at::Tensor& original) {
    if (!original.defined() || !(copies_all_ || written_.contains(MemoryOf(original)))) return original;
    at::Tensor& copy = tensors_[original.unsafeGetTensorImpl()];
    if (!copy.defined()) copy = NewTensor(original);
    return copy;
  }

  at::Tensor NewTensor(const at::Tensor& original) {
    const bool is_plain =
        original.has_storage() && !original.is_quantized() && !original.is_conj() && !original.is_neg();
    if (!is_plain) return original.clone();
    at::Tensor& bytes = memories_[MemoryOf(original)];
    if (!bytes.defined()) {
      bytes = at::empty({0}, original.options().dtype(at::kByte)).set_(original.storage()).clone();
    }
    return at::empty({0}, original.options())
        .set_(bytes.storage(), original.storage_offset(), original.sizes(), original.strides());
  }

  const bool copies_all_;
  std::unordered_set<const void*> written_;  // MemoryOf
  std::unordered_map<const c10::TensorImpl*, at::Tensor> tensors_;
  std::unordered_map<const void*, at::Tensor> memories_;  // the whole of each, as bytes
};

}  // namespace

torch::jit::Module CopyModule(const torch::jit::Module& module, const ModuleState& state) {
  return ModuleCopy(module, state).Copy(module);
}

}  // namespace torchferry::libtorch
