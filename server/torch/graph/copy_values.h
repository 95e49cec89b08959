// Copies of what a module's attributes hold.
#pragma once

#include <torch/script.h>

#include <functional>
#include <unordered_map>

namespace torchferry::libtorch {

// Copies objects, modules among them, lists, dicts and tuples, and gives all else to a function. What was one object,
// list or dict stays one, across the calls of one copier too. Throws what LibTorch and the function throw.
class ValueCopier {
 public:
  // What takes the place of a value that holds no other: a tensor, a number, a device, an object of C++.
  using Leaf = std::function<c10::IValue(const c10::IValue&)>;

  explicit ValueCopier(Leaf leaf) : leaf_(std::move(leaf)) {}

  c10::IValue Copy(const c10::IValue& original);
  // Of the same type.
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
