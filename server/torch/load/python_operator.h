// Calls of operators as Python's binding of them takes them: its names of parameters, its numbers, its defaults.
#pragma once

#include <ATen/core/symbol.h>
#include <torch/csrc/jit/frontend/sugared_value.h>

#include <memory>
#include <string>

#include "server/torch/load/python_signatures.h"

namespace torchferry::libtorch {

// Messages call the operator `spelled`, and describe its parameters by `signature`. `signature` is null for an operator
// that Python does not have under this name.
std::shared_ptr<torch::jit::SugaredValue> MakePythonOperator(c10::Symbol symbol, std::string spelled,
                                                             const PythonSignature* signature);

}  // namespace torchferry::libtorch
