// A TorchScript archive as LibTorch's module, made of the bytes that were checked. LibTorch's own loader would open the
// file again, with another zip reader. That reader ignores case in entries' names, prefers other entries, and may find
// another file. Here LibTorch gets no file. Pickles and sources are those in memory, and a storage's bytes are read
// once from the file that was opened.
#pragma once

#include <absl/status/statusor.h>
#include <torch/script.h>

#include "server/checkpoint/torchscript.h"

namespace torchferry::libtorch {

// The module is on the CPU, whatever device the archive names, because it may run on another one. LibTorch runs
// `__setstate__` while it loads. This code is checked against plan/model_operators.h first, unless `trust_model_code`.
// Its arguments, and the values of all attributes, are always checked for what LibTorch does not check (value_check.h).
// Messages do not name the file. DATA_LOSS: damaged or hostile. INVALID_ARGUMENT: not supported. Does not throw.
absl::StatusOr<torch::jit::Module> ReadScript(const checkpoint::TorchScriptInfo& script, bool trust_model_code);

}  // namespace torchferry::libtorch
