// What LibTorch made of a pickle, held against what LibTorch takes as true of it. Its unpickler checks little: sizes
// and strides become a tensor's as they stand, and an attribute gets whatever value the pickle has for it. Code that is
// compiled for the attribute's type then reads memory that is not there.
#pragma once

#include <absl/status/status.h>
#include <torch/script.h>

#include <cstdint>
#include <functional>
#include <map>
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
  // Numbers and text are not looked at: LibTorch checks each use. A list or dict is of one type, however many
  // attributes hold it: what code adds by the one, code reads by the other. Where the type is Any, it is what the value
  // says.
  absl::Status CheckType(const c10::IValue& value, const c10::TypePtr& type, const std::string& where);

  // Tells lists and dicts of old archives what they hold, as `type` says. `value` has passed CheckType.
  void SetTypes(const c10::IValue& value, const c10::TypePtr& type);

  // Tells the lists and dicts that have passed CheckType what they hold, as a pickle may have told them something else
  // since. When all has been read.
  void TellTypes() const;

 private:
  struct Declared {
    c10::IValue value;
    std::vector<c10::TypePtr> inner;  // of its type: the element's, or the key's and the value's
  };

  static void Tell(const Declared& declared);
  absl::Status CheckTensor(const at::Tensor& tensor);
  bool Fits(const c10::IValue& value, const c10::Type& type);
  bool ContentFits(const c10::IValue& value, const c10::Type& type);
  bool IsDeclaredAs(const c10::IValue& value, const c10::Type& type);

  const std::function<uint64_t(const void*)> bytes_at_;
  std::set<const void*> checked_;                               // containers
  std::set<std::pair<const void*, const c10::Type*>> fitting_;  // containers that are of the type
  std::set<std::pair<const void*, const c10::Type*>> told_;     // containers that know their type
  std::map<const void*, Declared> declared_;                    // lists and dicts that have passed CheckType
  std::set<const void*> own_;                                   // containers that stand where any type may
  std::vector<c10::IValue> below_any_;                          // those of them that are still to be looked at
  std::vector<c10::TypePtr> types_;                             // their types, which `fitting_` points into
  std::vector<c10::IValue> held_;                               // all of these: an address stands for one value
};

}  // namespace torchferry::libtorch
