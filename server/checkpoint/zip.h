// A zip archive's directory, with the limits that a model file must keep: no entry outside the archive's one top
// folder, no two entries of one name, no encrypted entry, sizes inside the file, a bounded number of entries and a
// bounded inflation. PyTorch writes stored entries; others may have compressed them.
//
// The directory is read here and not by a library: minizip 1.1 (Debian 12) does not read ZIP64 sizes and offsets on
// 64-bit machines, which every checkpoint beyond 4 GiB has, and libzip does not say where an entry's data is. zlib
// inflates.
#pragma once

#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/checkpoint/file.h"

namespace torchferry::checkpoint {

struct ZipEntry {
  std::string name;            // below the top folder: "data.pkl", "data/0", "code/__torch__.py"
  uint64_t size_bytes = 0;     // uncompressed
  uint64_t file_offset = 0;    // of the first byte of its data
  uint64_t stored_bytes = 0;   // compressed size
  bool is_compressed = false;  // deflate
  uint32_t crc32 = 0;          // of the uncompressed bytes; checked for compressed entries only (see Read)
};

// Where an archive's entries may lie.
enum class ZipLayout {
  kOneFolder,          // below one top folder
  kOneFolderOrProgram  // so, or as torch.export of PyTorch 2.7 and earlier wrote them: without a folder
};

// In an archive without a top folder: what makes it one of torch.export.
inline constexpr std::string_view kFlatProgramEntry = "serialized_exported_program.json";

// Immutable after Open; thread-safe.
class ZipArchive {
 public:
  // DATA_LOSS for an archive that is damaged (a truncated one says how far it got) or breaks a limit; the message
  // names the entry and the limit. INVALID_ARGUMENT for a sound zip that PyTorch did not write: entries outside one
  // top folder. Entries that are folders are left out.
  static absl::StatusOr<std::unique_ptr<ZipArchive>> Open(std::shared_ptr<const File> file,
                                                          ZipLayout layout = ZipLayout::kOneFolder);

  virtual ~ZipArchive() = default;
  // The archive's top folder, without the slash; empty where there is none.
  virtual const std::string& top_folder() const = 0;
  virtual const std::vector<ZipEntry>& entries() const = 0;
  // Null if there is none.
  virtual const ZipEntry* Find(std::string_view name) const = 0;
  // Copies or inflates into `out`, whose size is entry.size_bytes. DATA_LOSS when that fails.
  // Stored entries are not held against their CRC: torch.save can be told not to compute one
  // (torch.serialization.set_crc32_options), and torch.load does not look at it either.
  virtual absl::Status Read(const ZipEntry& entry, std::span<std::byte> out) const = 0;
  // The same as a string. RESOURCE_EXHAUSTED above `max_bytes`.
  absl::StatusOr<std::string> ReadString(const ZipEntry& entry, uint64_t max_bytes) const;
};

}  // namespace torchferry::checkpoint
