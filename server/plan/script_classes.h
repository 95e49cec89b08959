// The classes that a TorchScript archive needs: those of its own code, and those of C++ libraries. Pure.
#pragma once

#include <absl/status/status.h>

#include <string>
#include <string_view>
#include <vector>

#include "server/checkpoint/torchscript.h"

namespace torchferry::plan {

// Whether LibTorch has the C++ class "quantized.LinearPackedParamsBase", judged by its namespace. Other namespaces
// belong to libraries, Torch-TensorRT for example.
bool IsLibTorchClass(std::string_view name);

// The C++ classes that the code names, each once: "tensorrt.Engine" for `__torch__.torch.classes.tensorrt.Engine`.
std::vector<std::string> CppClasses(std::string_view code);

// INVALID_ARGUMENT: C++ classes that LibTorch does not have. DATA_LOSS: a class whose code is missing.
absl::Status CheckClasses(const checkpoint::TorchScriptInfo& script);

}  // namespace torchferry::plan
