// Bounds the nesting and the size of source code. LibTorch's lexer, parser and compiler recurse, so this check runs
// before them.
#pragma once

#include <absl/status/status.h>

#include <cstddef>
#include <string_view>

namespace torchferry::plan {

// Tokens of all sources that were checked together. LibTorch takes about a KiB for each token.
struct CodeSize {
  size_t tokens = 0;
};

// Checks `source`, in TorchScript's language; messages call it `file`. DATA_LOSS has the line where brackets, operators
// in a row, blocks or `elif`s nest too deep. The same code is for lists, classes or stretches without code that are too
// long. It is also for a total `size` above what people write or torch.jit.save prints. Time is linear in the source.
absl::Status CheckNesting(std::string_view source, std::string_view file, CodeSize& size);

}  // namespace torchferry::plan
