// The layers of torch.nn that a constructor may name, written in the language of constructors (layers/*.cc). Each has
// PyTorch's parameters with their names, order and defaults, its tensors, and its forward pass in TorchScript.
#pragma once

#include <string_view>

#include "server/plan/python_tree.h"

namespace torchferry::plan {

// The library is parsed once. In its constructors every parameter is an attribute before the body runs.
const PythonFile& LayerLibrary();

// The names of all layers: "BatchNorm1d, BatchNorm2d, …".
const std::string& LayerNames();

// Whether `name` is a function or type of Python that constructors know: "len", "int".
bool IsBuiltIn(std::string_view name);
// Whether `name` is a method that every nn.Module has: "add_module".
bool IsModuleMethod(std::string_view name);

}  // namespace torchferry::plan
