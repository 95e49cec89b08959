// Reads TorchScript source and finds the operators that it would run. TorchScript is code: before any of it is
// compiled, this scan checks it against the list of what a model may use (model_operators.h). The folder `torch` checks
// the compiled graphs, where no spelling hides an operator.
#pragma once

#include <absl/status/status.h>

#include <string>
#include <string_view>
#include <vector>

namespace torchferry::plan {

// DATA_LOSS: the code uses `what` at `where`. `reason` says what that does. The message also says what to do.
absl::Status DeniedCode(std::string_view what, std::string_view reason, std::string_view where);

// Checks `source` as TorchScript serialises it; messages call it `file`. DATA_LOSS names the operator and the line. The
// same error is for a use of the torch namespace that reading cannot judge (an alias, getattr). It is also for a source
// that LibTorch's lexer does not read to its end.
absl::Status ScanSource(std::string_view source, std::string_view file);

// Operators that are not PyTorch's own, "torchvision::nms", each once, in the order of their first use.
std::vector<std::string> CustomOperators(std::string_view source);

}  // namespace torchferry::plan
