// The kinds of files that are not models we serve, by their first bytes, and what to say of each.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "server/checkpoint/file.h"

namespace torchferry::checkpoint {

// The first bytes of a file, up to 1024: as much as tells what it is.
absl::StatusOr<std::string> ReadHead(const File& file);

// `head`: ReadHead of a file of `size` bytes that is no zip, legacy checkpoint or safetensors file.
// Never OK. DATA_LOSS for what is
// an accident of transport (empty, an HTML page, a Git LFS pointer), INVALID_ARGUMENT for a sound
// file of another kind.
absl::Status DescribeForeignContent(std::string_view head, uint64_t size);

}  // namespace torchferry::checkpoint
