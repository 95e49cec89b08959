#include "server/torch/copy_module.h"

#include <sstream>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace torchferry {
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
  ModuleCopy(const torch::jit::Module& module, const ModuleState& state)
      : copies_all_(state.writes_any_tensor) {
    if (copies_all_ || !state.writes_tensors) return;
    for (const std::string& path : state.written) {
      const c10::IValue value = AttributeAt(module, path);
      value.visit([&](const c10::IValue& inner) {
        if (inner.isTensor() && inner.toTensor().defined())
          written_.insert(MemoryOf(inner.toTensor()));
        return false;
      });
    }
  }

  c10::intrusive_ptr<c10::ivalue::Object> Object(
      const c10::intrusive_ptr<c10::ivalue::Object>& original) {
    auto& copy = objects_[original.get()];
    if (copy != nullptr) return copy;
    copy = original->copy();
    for (size_t slot = 0; slot < copy->slots().size(); ++slot)
      copy->setSlot(slot, Value(original->getSlot(slot)));
    return copy;
  }

 private:
  c10::IValue Value(const c10::IValue& original) {
    if (original.isTensor()) return Tensor(original.toTensor());
    // A class of C++: only its own code knows what is in it.
    if (original.isCustomClass()) return copies_all_ ? original.deepcopy() : original;
    if (original.isObject()) return Object(original.toObject());
    if (original.isList()) return List(original);
    if (original.isGenericDict()) return Dict(original);
    if (original.isTuple()) return Tuple(original);
    return original;
  }

  c10::IValue List(const c10::IValue& original) {
    const auto [entry, is_new] = containers_.emplace(original.internalToPointer(), c10::IValue());
    if (!is_new) return entry->second;
    c10::impl::GenericList copy = original.toList().copy();
    entry->second = copy;
    for (size_t i = 0; i < copy.size(); ++i) copy.set(i, Value(copy.get(i)));
    return copy;
  }

  c10::IValue Dict(const c10::IValue& original) {
    const auto [entry, is_new] = containers_.emplace(original.internalToPointer(), c10::IValue());
    if (!is_new) return entry->second;
    c10::impl::GenericDict copy = original.toGenericDict().copy();
    entry->second = copy;
    for (const auto& item : original.toGenericDict())
      copy.insert_or_assign(item.key(), Value(item.value()));
    return copy;
  }

  c10::IValue Tuple(const c10::IValue& original) {
    const auto tuple = original.toTuple();
    std::vector<c10::IValue> elements;
    for (const c10::IValue& element : tuple->elements()) elements.push_back(Value(element));
    return c10::ivalue::Tuple::createNamed(std::move(elements), tuple->type());
  }

  at::Tensor Tensor(const at::Tensor& original) {
    if (!original.defined() || !(copies_all_ || written_.contains(MemoryOf(original))))
      return original;
    at::Tensor& copy = tensors_[original.unsafeGetTensorImpl()];
    if (!copy.defined()) copy = NewTensor(original);
    return copy;
  }

  at::Tensor NewTensor(const at::Tensor& original) {
    const bool is_plain = original.has_storage() && !original.is_quantized() &&
                          !original.is_conj() && !original.is_neg();
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
  std::unordered_map<const c10::ivalue::Object*, c10::intrusive_ptr<c10::ivalue::Object>> objects_;
  std::unordered_map<const void*, c10::IValue> containers_;
  std::unordered_map<const c10::TensorImpl*, at::Tensor> tensors_;
  std::unordered_map<const void*, at::Tensor> memories_;  // the whole of each, as bytes
};

}  // namespace

torch::jit::Module CopyModule(const torch::jit::Module& module, const ModuleState& state) {
  return torch::jit::Module(ModuleCopy(module, state).Object(module._ivalue()));
}

}  // namespace torchferry
