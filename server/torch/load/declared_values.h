// The values that declarations hold: defaults of arguments and attributes of classes. LibTorch computes them while it
// compiles, before the compiled code can be checked, so they must be values and not calls.
#pragma once

#include <absl/status/status.h>
#include <torch/csrc/jit/frontend/tree.h>
#include <torch/script.h>

#include <string>

namespace torchferry::libtorch {

// `tree`: a `def` or a `class` as LibTorch's parser gives it. DATA_LOSS with the line in `file`: a declared value that
// calls anything but torch.device("…") or float("…").
absl::Status CheckDeclaredValues(const torch::jit::TreeRef& tree, const std::string& file);

// The same for each declaration of an archive's source. Throws what LibTorch's parser throws.
absl::Status CheckDeclaredValues(const std::string& source, const std::string& file);

}  // namespace torchferry::libtorch
