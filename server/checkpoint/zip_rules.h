// Pure checks over the whole directory of a model's archive, beyond the checks of single entries.
#pragma once

#include <absl/status/statusor.h>

#include <span>
#include <string>

#include "server/checkpoint/zip.h"

namespace torchferry::checkpoint {

// The one top folder of all entries, or "" where `layout` allows an archive without one. DATA_LOSS for a name that
// could leave it ("..", an absolute path, backslashes, control characters). INVALID_ARGUMENT when the archive must have
// such a folder and has none.
absl::StatusOr<std::string> FindTopFolder(std::span<const ZipEntry> entries, ZipLayout layout);

// DATA_LOSS: two entries of one name, or entries that share bytes of the file (a small file could then become
// petabytes). Also DATA_LOSS: more inflated bytes than limits.h allows for a file of that size.
absl::Status CheckArchive(std::span<const ZipEntry> entries, uint64_t file_size);

}  // namespace torchferry::checkpoint
