// Compiles the methods of the modules that constructors made.
#pragma once

#include <absl/status/status.h>
#include <torch/script.h>

#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "server/plan/module_tree.h"
#include "server/torch/load/python_function.h"

namespace torchferry::libtorch {

// Paths of all modules of `tree` below its root, "features.1": plan/layer_match.h has bounded their number.
std::vector<std::string> ModulePaths(const plan::ModuleTree& tree);

// Carries the error of CheckDeclaredValues for the file.
class RefusedValue final : public std::exception {
 public:
  explicit RefusedValue(absl::Status status) : status_(std::move(status)) {}
  const absl::Status& status() const { return status_; }

 private:
  const absl::Status status_;
};

// Compiles what the forward pass of `module` reaches: methods of the file itself, and of the classes that `tree` names.
// They are compiled onto the modules that ModuleFromKeys made, inner modules first. Throws what LibTorch's parser and
// compiler throw, and RefusedValue for a default value that calls a function. Notes for the user about the calls go to
// `notes`.
void DefineMethods(torch::jit::Module& module, const plan::ModuleTree& tree, ForwardNotes& notes);

}  // namespace torchferry::libtorch
