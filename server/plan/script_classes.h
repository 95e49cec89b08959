// The classes that a TorchScript archive wants to be there: those of its own code, and those of C++ libraries. Pure.
#pragma once

#include <absl/status/status.h>

#include <string>
#include <string_view>
#include <vector>

#include "server/checkpoint/torchscript.h"

namespace torchferry::plan {

// Whether LibTorch brings the C++ class "quantized.LinearPackedParamsBase", by its namespace. Those of other namespaces
// are of libraries, Torch-TensorRT's for example.
bool IsLibTorchClass(std::string_view name);

// C++ classes that the code names, `__torch__.torch.classes.tensorrt.Engine`, as "tensorrt.Engine"; each once.
std::vector<std::string> CppClasses(std::string_view code);

// INVALID_ARGUMENT: C++ classes that LibTorch does not bring. DATA_LOSS: a class whose code is not there.
absl::Status CheckClasses(const checkpoint::TorchScriptInfo& script);

}  // namespace torchferry::plan
