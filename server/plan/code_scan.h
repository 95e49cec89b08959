// What TorchScript source says that it will do, by reading it. TorchScript is code: before any of it
// runs it is held against a list of operators that reach outside the process (files, other
// processes, the network). `torch::jit::load` may already run a `__setstate__`, so an archive's
// sources are read first; the compiled graphs, which see through any spelling, are `torch`'s.
#pragma once

#include <absl/status/status.h>

#include <string>
#include <string_view>
#include <vector>

namespace torchferry::plan {

// True for "aten::save", "prim::rpc_async", "c10d::send" and so on.
bool IsDeniedOperator(std::string_view qualified_name);

// DATA_LOSS: `what` is used at `where`, and what to do.
absl::Status DeniedCode(std::string_view what, std::string_view where);

// `source` as TorchScript serialises it; `file` is what messages call it. DATA_LOSS naming the
// operator and the line, also for a use of the torch namespace that cannot be judged by reading it
// (an alias, getattr), and for a source that LibTorch's lexer does not read to its end.
absl::Status ScanSource(std::string_view source, std::string_view file);

// "torchvision::nms": the operators that are neither PyTorch's own nor denied, each once, in order.
std::vector<std::string> CustomOperators(std::string_view source);

}  // namespace torchferry::plan
