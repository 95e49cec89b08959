// Modules that keep state between calls.
#pragma once

#include <absl/status/statusor.h>
#include <torch/script.h>

#include <optional>
#include <set>
#include <string>

namespace torchferry::libtorch {

// What a call of `forward` leaves behind.
struct ModuleState {
  // "forward assigns self._state"; of several writes the first.
  std::string reason;
  // Whether the memory of a tensor is written. Otherwise attributes, lists and dicts are only given
  // other values, and those that were there stay as they are.
  bool writes_tensors = false;
  // Attributes, "encoder.cache", whose tensors may be written where they lie; those of every module
  // when `writes_any_tensor`.
  std::set<std::string> written;
  bool writes_any_tensor = false;
};

// Nothing for a module without state: no code that `forward` reaches in eval mode assigns an
// attribute or writes to one where it lies, through a view, a list or a submodule either. (Batch
// norm's counter, which is kept in training alone, is none.) Errs on the side of state where the
// code cannot be followed, as through an interface. FAILED_PRECONDITION when a constant of the
// graph is written, which no copy of the module would have for itself.
absl::StatusOr<std::optional<ModuleState>> FindState(const torch::jit::Module& module, const std::string& file);

}  // namespace torchferry::libtorch
