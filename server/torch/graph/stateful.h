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
  // "forward assigns self._state"; of several writes the first. "may write" where `is_certain` is false.
  std::string reason;
  // Whether the code writes an attribute for certain, on some path at least. Otherwise an operator that may or may not
  // return its input, or code that cannot be followed, stands between the attribute and the write.
  bool is_certain = false;
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
// norm's counter, which is kept in training alone, is none.) graph/memory_flow.h says where a written
// value's memory may come from. Errs on the side of state where the code cannot be followed, as
// through an interface.
//
// `stateful` is the configuration's word, torchferry.stateful. false: a state that is not certain is none. true: a
// module without a state has one that nothing is known of.
//
// FAILED_PRECONDITION when a constant of the graph is written, which no copy of the module would have for itself (where
// only maybe: unless `stateful` is false), and when `stateful` is false and a state is certain.
absl::StatusOr<std::optional<ModuleState>> FindState(const torch::jit::Module& module, const std::string& file,
                                                     std::optional<bool> stateful = std::nullopt);

}  // namespace torchferry::libtorch
