// The layers of torch.nn that a constructor may name, written in the language that constructors are written in
// (layers/*.cc): parameters with PyTorch's names, order and defaults, the tensors that each holds, and its forward pass
// in TorchScript.
#pragma once

#include <string_view>

#include "server/plan/python_tree.h"

namespace torchferry::plan {

// Read once. In its constructors every parameter is an attribute before the body runs.
const PythonFile& LayerLibrary();

// "BatchNorm1d, BatchNorm2d, …".
const std::string& LayerNames();

// Whether `name` is one of Python's functions and types that constructors know: "len", "int".
bool IsBuiltIn(std::string_view name);
// Whether `name` is a method that every nn.Module has: "add_module".
bool IsModuleMethod(std::string_view name);

}  // namespace torchferry::plan
