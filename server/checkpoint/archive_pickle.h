// Reads a pickle inside a file, and keeps it together with its bytes.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <string_view>

#include "server/checkpoint/pickle_globals.h"
#include "server/checkpoint/pickle_value.h"
#include "server/checkpoint/zip.h"

namespace torchferry::checkpoint {

// Immovable: the tree's texts point into `bytes`.
struct ArchivePickle {
  ArchivePickle() = default;
  ArchivePickle(const ArchivePickle&) = delete;
  ArchivePickle& operator=(const ArchivePickle&) = delete;

  std::string bytes;
  PickleTree tree;
};

// Gives the status that reading ends with; see refusal.h.
using Judge = absl::Status (*)(const PickleTree& tree, const absl::Status& read);

// Reads the entry `name`. `judge` decides the status at the end, mainly for pickles with names that `globals` does not
// know. DATA_LOSS when the entry is missing, too large or no sound pickle. Messages do not name the file.
absl::StatusOr<std::unique_ptr<ArchivePickle>> ReadArchivePickle(const ZipArchive& archive, std::string_view name,
                                                                 const PickleGlobals& globals, Judge judge);

// The same for the pickle at `position` of `file`, whose end is not known. It reads a window that grows up to
// `max_bytes`. Messages call the pickle `what`. `tree.consumed` is its size.
absl::StatusOr<std::unique_ptr<ArchivePickle>> ReadFilePickle(const File& file, uint64_t position, uint64_t max_bytes,
                                                              std::string_view what, const PickleGlobals& globals,
                                                              Judge judge);

// Reads "little" or "big". PyTorch before 2.1 did not write the entry: an absent one counts as little. INVALID_ARGUMENT
// unless it is little.
absl::Status CheckByteOrder(const ZipArchive& archive);

}  // namespace torchferry::checkpoint
