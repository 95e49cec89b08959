// Modules that keep state between calls.
#pragma once

#include <absl/status/status.h>
#include <torch/script.h>

#include <string>

namespace torchferry {

// FAILED_PRECONDITION when a method that `forward` may reach assigns an attribute: shared between clients, one's state would
// be another's answer, and two threads would write it at once. Names the attribute.
absl::Status RefuseStateful(const torch::jit::Module& module, const std::string& file);

}  // namespace torchferry
