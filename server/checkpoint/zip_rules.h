// What a model's archive must keep beyond what each entry keeps for itself: pure checks over the
// whole directory.
#pragma once

#include <absl/status/statusor.h>

#include <span>
#include <string>

#include "server/checkpoint/zip.h"

namespace torchferry::checkpoint {

// The one top folder in which all entries lie, or "" where `layout` allows that and there is none. DATA_LOSS for a name
// that could leave it ("..", an absolute path, backslashes, control characters); INVALID_ARGUMENT when there is no such
// folder.
absl::StatusOr<std::string> FindTopFolder(std::span<const ZipEntry> entries, ZipLayout layout);

// DATA_LOSS: two entries of one name; entries that share bytes of the file (how a small file
// becomes petabytes); more inflated bytes than limits.h allows for a file of that size.
absl::Status CheckArchive(std::span<const ZipEntry> entries, uint64_t file_size);

}  // namespace torchferry::checkpoint
