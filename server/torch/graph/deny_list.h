// The graphs of a compiled module, held against the deny-list of plan/code_scan.h.
#pragma once

#include <absl/status/status.h>
#include <torch/script.h>

namespace torchferry::libtorch {

// Every method, function and nested block that `module` or one of its submodules can reach. DATA_LOSS naming the
// operator and the method.
absl::Status CheckGraphs(const torch::jit::Module& module);

}  // namespace torchferry::libtorch
