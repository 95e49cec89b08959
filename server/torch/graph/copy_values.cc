#include "server/torch/graph/copy_values.h"

#include <utility>
#include <vector>

namespace torchferry::libtorch {

c10::IValue ValueCopier::Copy(const c10::IValue& original) {
  if (original.isCustomClass()) return leaf_(original);
  if (original.isObject()) return CopyObject(original.toObject());
  if (original.isList()) return CopyList(original);
  if (original.isGenericDict()) return CopyDict(original);
  if (original.isTuple()) return CopyTuple(original);
  return leaf_(original);
}

c10::intrusive_ptr<c10::ivalue::Object> ValueCopier::CopyObject(
    const c10::intrusive_ptr<c10::ivalue::Object>& original) {
  auto& copy = objects_[original.get()];
  if (copy != nullptr) return copy;
  copy = original->copy();
  // The map may grow below, and move its entries.
  auto object = copy;
  for (size_t slot = 0; slot < object->slots().size(); ++slot) object->setSlot(slot, Copy(original->getSlot(slot)));
  return object;
}

c10::IValue ValueCopier::CopyList(const c10::IValue& original) {
  const auto [entry, is_new] = containers_.emplace(original.internalToPointer(), c10::IValue());
  if (!is_new) return entry->second;
  c10::impl::GenericList copy = original.toList().copy();
  entry->second = copy;
  for (size_t i = 0; i < copy.size(); ++i) copy.set(i, Copy(copy.get(i)));
  return copy;
}

c10::IValue ValueCopier::CopyDict(const c10::IValue& original) {
  const auto [entry, is_new] = containers_.emplace(original.internalToPointer(), c10::IValue());
  if (!is_new) return entry->second;
  c10::impl::GenericDict copy = original.toGenericDict().copy();
  entry->second = copy;
  for (const auto& item : original.toGenericDict()) copy.insert_or_assign(item.key(), Copy(item.value()));
  return copy;
}

c10::IValue ValueCopier::CopyTuple(const c10::IValue& original) {
  const auto tuple = original.toTuple();
  std::vector<c10::IValue> elements;
  for (const c10::IValue& element : tuple->elements()) elements.push_back(Copy(element));
  return c10::ivalue::Tuple::createNamed(std::move(elements), tuple->type());
}

}  // namespace torchferry::libtorch
