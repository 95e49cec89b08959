// The end of a zip archive, which says where its central directory is. LibTorch's own reader opens a TorchScript
// archive after this one, and must load the same content that was checked. Only files on whose directory every reader
// agrees are accepted.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>

#include "server/checkpoint/file.h"

namespace torchferry::checkpoint {

struct ZipDirectoryPlace {
  uint64_t offset = 0;  // from the file's begin
  uint64_t size = 0;
  uint64_t entries = 0;
};

// DATA_LOSS: no end-of-archive record in the last bytes (a truncated file, or one with something after it). Also
// DATA_LOSS: a directory that does not end where that record begins. Messages do not name the file.
absl::StatusOr<ZipDirectoryPlace> FindZipDirectory(const File& file);

}  // namespace torchferry::checkpoint
