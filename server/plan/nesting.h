// How deep source code nests, told before LibTorch's parser and compiler, which recurse, are given it.
#pragma once

#include <absl/status/status.h>

#include <string_view>

namespace torchferry::plan {

// `source` in TorchScript's language; `file` is what messages call it. DATA_LOSS with the line where brackets,
// operators in a row, blocks or `elif`s nest deeper than code that anyone writes or torch.jit.save prints.
absl::Status CheckNesting(std::string_view source, std::string_view file);

}  // namespace torchferry::plan
