// Triton's names for a PyTorch model's inputs and outputs, which have no names there: INPUT__0, OUTPUT__1.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace torchferry::plan {

// Gives 12 for "INPUT__12". It takes up to four digits after the last "__". Nothing for other names.
std::optional<size_t> TrailingIndex(std::string_view name);

}  // namespace torchferry::plan
