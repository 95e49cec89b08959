// Copies of the values in a module's attributes.
#pragma once

#include <torch/script.h>

#include <functional>
#include <unordered_map>

namespace torchferry::libtorch {

// Copies objects, modules among them, lists, dicts and tuples, and calls a function for all other values. An object,
// list or dict with several references is copied once, also across the calls of one copier. Throws what LibTorch and
// the function throw.
class ValueCopier {
 public:
  // Returns the replacement of a value that holds no other value: a tensor, a number, a device, a C++ object.
  using Leaf = std::function<c10::IValue(const c10::IValue&)>;

  explicit ValueCopier(Leaf leaf) : leaf_(std::move(leaf)) {}

  c10::IValue Copy(const c10::IValue& original);
  // The copy has the same type.
  c10::intrusive_ptr<c10::ivalue::Object> CopyObject(const c10::intrusive_ptr<c10::ivalue::Object>& original);

 private:
  c10::IValue CopyList(const c10::IValue& original);
  c10::IValue CopyDict(const c10::IValue& original);
  c10::IValue CopyTuple(const c10::IValue& original);

  const Leaf leaf_;
  std::unordered_map<const c10::ivalue::Object*, c10::intrusive_ptr<c10::ivalue::Object>> objects_;
  std::unordered_map<const void*, c10::IValue> containers_;
};

}  // namespace torchferry::libtorch
