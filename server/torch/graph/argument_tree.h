// How an argument of forward is built from inputs: directly, or in nested tuples, dicts and lists.
#pragma once

#include <ATen/core/function_schema.h>
#include <absl/status/statusor.h>
#include <torch/csrc/jit/ir/ir.h>

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "server/tensor/signature.h"

namespace torchferry::libtorch {

// One argument, or a part of one.
struct ArgumentNode {
  enum class Kind { kInput, kTuple, kDict, kList, kDefault };  // kDefault: cannot be sent

  static constexpr size_t kNoInput = static_cast<size_t>(-1);

  Kind kind = Kind::kInput;
  c10::TypePtr type;             // without its Optional
  std::string name;              // of the input; otherwise the prefix of the parts' names
  bool may_be_left_out = false;  // the value is then None; a dict lacks the key
  tensor::ArgumentKind input_kind = tensor::ArgumentKind::kTensor;
  size_t input = kNoInput;        // index into Signature::inputs; kNoInput: no input is declared for it
  std::vector<std::string> keys;  // of a dict, one for each part
  std::vector<ArgumentNode> parts;
};

// The config's inputs by name, and whether it says that they are optional.
using DeclaredNames = std::map<std::string, bool>;

// The tree of forward's argument. Parts are named as torch.export names them: "batch_image" is batch["image"],
// "batch_pair_0" is batch["pair"][0]. The names in `declared` give the keys of a dict and the length of a list.
// Otherwise the keys are those that the code reads, if all of these are constants. For this, `values` are the
// argument's values in a ReachableGraph. A Dict[str, Tensor] without known keys is one input, a tensor dict. With
// `keys_are_names` the argument is a dict whose keys are the declared names. An argument with a default, or an
// Optional, that cannot be sent is a kDefault. FAILED_PRECONDITION for other arguments that cannot be sent, with the
// type and the way out.
absl::StatusOr<ArgumentNode> MakeArgumentTree(const c10::Argument& argument, const DeclaredNames& declared,
                                              const std::vector<torch::jit::Value*>& values, bool keys_are_names);

// Whether the argument is a dict with keys of text, or an Optional of one.
bool IsDict(const c10::Argument& argument);

// `text` as a part of torch.export's names: in lower case, with "_" for each character that is neither letter nor
// digit.
std::string ExportName(const std::string& text);

// Calls `visit` with each input in `tree`, in order. `group` numbers the tuples, dicts and lists that may be left out
// as a whole, from 1. 0: the input is in no such group.
void ForEachInput(ArgumentNode& tree, const std::function<void(ArgumentNode& input, int group)>& visit, int& groups);

}  // namespace torchferry::libtorch
