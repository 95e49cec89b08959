// Calls that once meant the operator of a name and now mean Python's function.
#pragma once

#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/ir/named_value.h>

#include <string>
#include <vector>

#include "server/torch/load/python_signatures.h"

namespace torchferry::libtorch {

// Adds a note to `notes` when the call, which gives a `result`, would also fit the operator of the same name, with
// another meaning. A different meaning is an argument for another parameter, a parameter that the operator does not
// have, or another number of results. A function gets one note.
void NoteChangedMeaning(const PythonSignature& signature, torch::jit::Graph& graph,
                        at::ArrayRef<torch::jit::NamedValue> args, at::ArrayRef<torch::jit::NamedValue> kwargs,
                        const c10::TypePtr& result, std::vector<std::string>& notes);

}  // namespace torchferry::libtorch
