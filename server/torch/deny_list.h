// TorchScript is code. Before any of it runs it is held against a list of operators that reach outside the process:
// files, other processes, the network. Two looks: at an archive's sources before `torch::jit::load`, which may already run
// a `__setstate__`; and at every graph after compilation, which sees through any spelling.
#pragma once

#include <absl/status/status.h>
#include <torch/script.h>

#include <string>
#include <string_view>

namespace torchferry {

// True for "aten::save", "prim::rpc_async", "c10d::send" and so on.
bool IsDeniedOperator(std::string_view qualified_name);

// `source` as TorchScript serialises it; `file` is what messages call it. DATA_LOSS naming the operator and the line,
// also for a use of the torch namespace that cannot be judged by reading it (an alias, getattr).
absl::Status ScanSource(std::string_view source, std::string_view file);

// Every method, function and nested block that `module` or one of its submodules can reach. DATA_LOSS naming the
// operator and the method.
absl::Status CheckGraphs(const torch::jit::Module& module);

}  // namespace torchferry
