// What LibTorch made of a pickle, held against what LibTorch takes as true of it. Its unpickler checks little: sizes
// and strides become a tensor's as they stand, and an attribute gets whatever value the pickle has for it. Code that is
// compiled for the attribute's type then reads memory that is not there.
#pragma once

#include <absl/status/status.h>
#include <torch/script.h>

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace torchferry::libtorch {

// Values that were checked are not looked at again. One thread. Refers to `bytes_at`.
class ValueCheck {
 public:
  // `bytes_at` says how many bytes were read to that address; 0: none.
  explicit ValueCheck(std::function<uint64_t(const void*)> bytes_at) : bytes_at_(std::move(bytes_at)) {}

  // `value` and what it holds, but for objects, whose values are checked before they become theirs. DATA_LOSS: a tensor
  // that leaves its storage, or a named tuple of another length than its type's. INVALID_ARGUMENT: a sparse tensor.
  absl::Status Check(const c10::IValue& value);

  // DATA_LOSS when `value` may not stand where `type` is expected. None may stand everywhere: its use is an error.
  // Numbers and text are not looked at: LibTorch checks each use.
  absl::Status CheckType(const c10::IValue& value, const c10::TypePtr& type, const std::string& where);

  // Tells lists and dicts of old archives what they hold, as `type` says. `value` has passed CheckType.
  void SetTypes(const c10::IValue& value, const c10::TypePtr& type);

 private:
  absl::Status CheckTensor(const at::Tensor& tensor);
  bool Fits(const c10::IValue& value, const c10::Type& type);
  bool ContentFits(const c10::IValue& value, const c10::Type& type);

  const std::function<uint64_t(const void*)> bytes_at_;
  std::set<const void*> checked_;                               // containers
  std::set<std::pair<const void*, const c10::Type*>> fitting_;  // containers that are of the type
  std::set<std::pair<const void*, const c10::Type*>> told_;     // containers that know their type
  std::vector<c10::IValue> held_;                               // all of these: an address stands for one value
};

}  // namespace torchferry::libtorch
