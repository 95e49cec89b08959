// Converts arguments that Python accepts and TorchScript does not.
#pragma once

#include <torch/csrc/jit/frontend/source_range.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/ir/named_value.h>

#include <string>
#include <string_view>
#include <vector>

namespace torchferry::libtorch {

// `value` for a parameter of type `formal`: an int for a float becomes a float, also in a list. Other values stay as
// they are.
torch::jit::Value* AsPythonTakes(torch::jit::Value* value, const c10::TypePtr& formal,
                                 const torch::jit::SourceRange& loc);

// Several arguments as one list. A single argument that is a list or a tuple already becomes that list.
torch::jit::Value* AsList(const std::vector<torch::jit::Value*>& values, torch::jit::Graph& graph,
                          const torch::jit::SourceRange& loc);

// "(Tensor, int, mode: str)".
std::string DescribeArguments(torch::jit::Graph& graph, at::ArrayRef<torch::jit::NamedValue> args,
                              at::ArrayRef<torch::jit::NamedValue> kwargs);

}  // namespace torchferry::libtorch
