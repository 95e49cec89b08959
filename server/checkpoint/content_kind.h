// The kinds of files that are not models we serve, by their first bytes, and what to say of each.
#pragma once

#include <absl/status/status.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace torchferry {

// How much of a file's beginning DescribeForeignContent wants to see.
inline constexpr size_t kHeadBytes = 1024;

// `head`: the first bytes of a file of `size` bytes that is neither a zip nor a
// legacy checkpoint. Never OK. DATA_LOSS for what is
// an accident of transport (empty, an HTML page, a Git LFS pointer), INVALID_ARGUMENT for a sound
// file of another kind.
absl::Status DescribeForeignContent(std::string_view head, uint64_t size);

}  // namespace torchferry
