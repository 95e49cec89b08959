// Checks values that LibTorch read from a pickle against what LibTorch assumes of them. Its unpickler checks little. It
// takes a tensor's sizes and strides as they are, and an attribute gets any value that the pickle has for it. Code that
// is compiled for the attribute's type then reads memory that is not there.
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

// Checked values are not checked again. Used by one thread at a time. Keeps `bytes_at`.
class ValueCheck {
 public:
  // `bytes_at` says how many bytes were read to that address; 0: none.
  explicit ValueCheck(std::function<uint64_t(const void*)> bytes_at) : bytes_at_(std::move(bytes_at)) {}

  // Checks `value` and its contents, except objects: their values are checked before the objects get them. DATA_LOSS: a
  // tensor that leaves its storage, or a named tuple whose length is not its type's. INVALID_ARGUMENT: a sparse tensor.
  absl::Status Check(const c10::IValue& value);

  // DATA_LOSS when `value` may not stand where `type` is expected. None may stand everywhere: its use is an error.
  // Numbers and text are not checked: LibTorch checks each use. A list or dict is of one type, even where several
  // attributes hold it: code may add through one attribute and read through another. Where the type is Any, the value's
  // own type counts.
  absl::Status CheckType(const c10::IValue& value, const c10::TypePtr& type, const std::string& where);

  // Sets the element types of lists and dicts of old archives, as `type` says. `value` has passed CheckType.
  void SetTypes(const c10::IValue& value, const c10::TypePtr& type);

  // Sets the element types of the lists and dicts that have passed CheckType again, because a pickle may have changed
  // them since. Called when all has been read.
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
