// Ownership of the functions that a copy of a module adds.
#pragma once

#include <absl/functional/function_ref.h>
#include <torch/script.h>

#include <memory>
#include <vector>

namespace torchferry::libtorch {

// LibTorch adds the functions of a cloned or frozen module to the compilation unit of its original. They then live as
// long as the original, with all weights that freezing has made constants. A CodeOwner removes them earlier: when the
// last copy of the CodeOwner is destroyed. Code that may run such a module holds one.
class CodeOwner {
 public:
  // Runs `make`, which copies `original`, and owns the functions that this adds. Only one thread at a time makes or
  // removes functions of a unit. Throws what `make` throws, and then removes the added functions.
  torch::jit::Module Own(const torch::jit::Module& original, absl::FunctionRef<torch::jit::Module()> make);

 private:
  class Functions;

  std::vector<std::shared_ptr<const Functions>> functions_;
};

}  // namespace torchferry::libtorch
