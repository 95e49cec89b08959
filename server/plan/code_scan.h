// What TorchScript source says that it will do, by reading it. TorchScript is code: before any of it
// is compiled it is held against the list of what a model may use (model_operators.h). The compiled
// graphs, which see through any spelling, are `torch`'s.
#pragma once

#include <absl/status/status.h>

#include <string>
#include <string_view>
#include <vector>

namespace torchferry::plan {

// DATA_LOSS: `what` is used at `where`, which `reason`, and what to do.
absl::Status DeniedCode(std::string_view what, std::string_view reason, std::string_view where);

// `source` as TorchScript serialises it; `file` is what messages call it. DATA_LOSS naming the
// operator and the line, also for a use of the torch namespace that cannot be judged by reading it
// (an alias, getattr), and for a source that LibTorch's lexer does not read to its end.
absl::Status ScanSource(std::string_view source, std::string_view file);

// "torchvision::nms": the operators that are not PyTorch's own, each once, in order.
std::vector<std::string> CustomOperators(std::string_view source);

}  // namespace torchferry::plan
