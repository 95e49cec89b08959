// Reads a zip archive's central directory, and checks it against the limits of single entries.
#pragma once

#include <absl/status/statusor.h>

#include <vector>

#include "server/checkpoint/file.h"
#include "server/checkpoint/zip.h"

namespace torchferry::checkpoint {

// Entries by their full names, including folders. Messages do not name the file.
absl::StatusOr<std::vector<ZipEntry>> ReadZipDirectory(const File& file);

}  // namespace torchferry::checkpoint
