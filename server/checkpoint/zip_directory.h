// A zip archive's central directory: what is in it, as it stands there, held against the limits of
// single entries.
#pragma once

#include <absl/status/statusor.h>

#include <vector>

#include "server/checkpoint/file.h"
#include "server/checkpoint/zip.h"

namespace torchferry::checkpoint {

// Entries by their full names, folders included. Messages do not name the file.
absl::StatusOr<std::vector<ZipEntry>> ReadZipDirectory(const File& file);

}  // namespace torchferry::checkpoint
