// How deep source code nests and how much of it there is, told before LibTorch's lexer, parser and compiler, which
// recurse, are given it.
#pragma once

#include <absl/status/status.h>

#include <cstddef>
#include <string_view>

namespace torchferry::plan {

// Tokens of the sources that were looked through together: what LibTorch makes of one takes about a KiB.
struct CodeSize {
  size_t tokens = 0;
};

// `source` in TorchScript's language; `file` is what messages call it. DATA_LOSS with the line where brackets,
// operators in a row, blocks or `elif`s nest deeper, where lists, classes, or stretches without code are longer, or
// where all of `size` becomes more than code that anyone writes or torch.jit.save prints. Time is linear in the source.
absl::Status CheckNesting(std::string_view source, std::string_view file, CodeSize& size);

}  // namespace torchferry::plan
