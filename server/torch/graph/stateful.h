// Modules that keep state between calls.
#pragma once

#include <absl/status/statusor.h>
#include <torch/script.h>

#include <optional>
#include <set>
#include <string>

namespace torchferry::libtorch {

// The state that a call of `forward` leaves behind.
struct ModuleState {
  // "forward assigns self._state"; the first of several writes. It says "may write" where `is_certain` is false.
  std::string reason;
  // Whether the code certainly writes an attribute, on at least one path. Otherwise an operator that may or may not
  // return its input, or code that cannot be followed, stands between the attribute and the write.
  bool is_certain = false;
  // Whether the memory of a tensor is written. Otherwise the code only assigns new values to attributes, lists and
  // dicts, and the old values stay unchanged.
  bool writes_tensors = false;
  // Attributes ("encoder.cache") whose tensors may be written in place. With `writes_any_tensor`, all tensors may be
  // written.
  std::set<std::string> written;
  bool writes_any_tensor = false;
};

// Nothing for a module without state. There, no code that `forward` reaches in eval mode assigns an attribute or writes
// to one in place. Writes through a view, a list or a submodule count as well. (Batch norm's counter does not count:
// only training updates it.) graph/memory_flow.h finds where a written value's memory may come from. Code that cannot
// be followed, such as a call through an interface, counts as state.
//
// `stateful` is torchferry.stateful of the configuration. False: a state that is not certain does not count. True: a
// module where no state was found gets one of which nothing is known.
//
// FAILED_PRECONDITION when a constant of the graph is written, because copies of the module would share it. A write
// that is not certain is allowed when `stateful` is false. FAILED_PRECONDITION also when `stateful` is false and a
// state is certain.
absl::StatusOr<std::optional<ModuleState>> FindState(const torch::jit::Module& module, const std::string& file,
                                                     std::optional<bool> stateful = std::nullopt);

}  // namespace torchferry::libtorch
