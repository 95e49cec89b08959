// Tells from a file's first bytes which kind of file it is, if it is no model that the server can serve.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "server/checkpoint/file.h"

namespace torchferry::checkpoint {

// The first bytes of a file, max 1024: enough to tell its kind.
absl::StatusOr<std::string> ReadHead(const File& file);

// `head` is the result of ReadHead for a file of `size` bytes that is no zip, legacy checkpoint or safetensors file.
// Never OK. DATA_LOSS for a fault of transport (empty, an HTML page, a Git LFS pointer). INVALID_ARGUMENT for a sound
// file of another kind.
absl::Status DescribeForeignContent(std::string_view head, uint64_t size);

}  // namespace torchferry::checkpoint
