// The compiled code of a module, held against the list of what a model may use (plan/model_operators.h).
#pragma once

#include <absl/status/status.h>
#include <torch/script.h>

#include <string_view>

namespace torchferry::libtorch {

// Everything that `module` can run: its own methods, those of the objects that it holds and of the classes that its
// code names, and what they call or fork. DATA_LOSS naming the operator or class, the method and the reason; also where
// functions call one another deeper than limits.h allows.
absl::Status CheckModelCode(const torch::jit::Module& module);

// The same for one function, before it runs.
absl::Status CheckFunction(torch::jit::Function& function);

// The same for a class that `where` names.
absl::Status CheckClassName(std::string_view qualified_name, std::string_view where);

// DATA_LOSS where functions call one another deeper than limits.h allows: LibTorch recurses when it runs them. Also for
// code that is trusted.
absl::Status CheckCallDepth(const torch::jit::Module& module);

}  // namespace torchferry::libtorch
