// Checks the compiled code of a module against the list of what a model may use (plan/model_operators.h).
#pragma once

#include <absl/status/status.h>
#include <torch/script.h>

#include <string_view>

namespace torchferry::libtorch {

// Checks all code that `module` can run. This includes methods of its objects and of classes that its code names, and
// functions that they call or fork. DATA_LOSS names the operator or class, the method and the reason. DATA_LOSS also
// where functions call one another deeper than limits.h allows.
absl::Status CheckModelCode(const torch::jit::Module& module);

// The same for one function, before it runs.
absl::Status CheckFunction(torch::jit::Function& function);

// The same for a class that `where` names.
absl::Status CheckClassName(std::string_view qualified_name, std::string_view where);

// DATA_LOSS where functions call one another deeper than limits.h allows: LibTorch recurses when it runs them. This
// check also applies to trusted code.
absl::Status CheckCallDepth(const torch::jit::Module& module);

}  // namespace torchferry::libtorch
