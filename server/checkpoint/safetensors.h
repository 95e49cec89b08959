// The safetensors format (https://github.com/huggingface/safetensors, "Format"). A file has the length of the header
// (uint64, little-endian), the header, then the tensors' bytes without gaps. The header is JSON: for each tensor its
// dtype, shape and data_offsets, and `__metadata__`, strings only.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <string_view>

#include "server/checkpoint/checkpoint.h"
#include "server/checkpoint/file.h"

namespace torchferry::checkpoint {

// Whether a file that begins with `head` looks like one: a plausible header length and a brace. A file that was cut
// short also does.
bool HasSafetensorsHeader(std::string_view head);

// Checkpoint::Open for such a file. DATA_LOSS: a header that breaks the format's rules (names what and where), or a
// file that ends too early (says how many bytes are missing). INVALID_ARGUMENT: a tensor whose dtype LibTorch's models
// cannot have.
absl::StatusOr<std::unique_ptr<Checkpoint>> OpenSafetensors(std::shared_ptr<const File> file);

}  // namespace torchferry::checkpoint
