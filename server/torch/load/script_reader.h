// A TorchScript archive as LibTorch's module, made of the bytes that were checked. LibTorch's own loader opens the file
// once more, with another zip reader: it finds entries by names without case, prefers other entries, and may find
// another file. Here it gets no file: pickles and sources are those in memory, and a storage's bytes are read once from
// the file that was opened.
#pragma once

#include <absl/status/statusor.h>
#include <torch/script.h>

#include "server/checkpoint/torchscript.h"

namespace torchferry::libtorch {

// On the CPU whatever the archive says: where it was saved is not where it runs. Code that LibTorch runs while it
// loads,
// `__setstate__`, is held against plan/model_operators.h first, unless `trust_model_code`; so are the values that it is
// given and those of every attribute against what LibTorch does not check (value_check.h). Messages do not name the
// file. DATA_LOSS: damaged or hostile. INVALID_ARGUMENT: what is not read. Does not throw.
absl::StatusOr<torch::jit::Module> ReadScript(const checkpoint::TorchScriptInfo& script, bool trust_model_code);

}  // namespace torchferry::libtorch
