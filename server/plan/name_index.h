// Triton's names of a PyTorch model's inputs and outputs, which have no others there: INPUT__0, OUTPUT__1.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace torchferry::plan {

// 12 of "INPUT__12": of up to four digits behind the last "__". Nothing for other names.
std::optional<size_t> TrailingIndex(std::string_view name);

}  // namespace torchferry::plan
