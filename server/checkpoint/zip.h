// A zip archive's directory, with the limits that a model file must keep. No entry lies outside the archive's one top
// folder, no two entries have one name, and no entry is encrypted. Sizes lie inside the file, and the number of entries
// and the inflation are bounded. PyTorch writes stored entries; others may have compressed them.
//
// No library reads the directory. The library minizip 1.1 (Debian 12) does not read ZIP64 sizes and offsets on 64-bit
// machines, which every checkpoint beyond 4 GiB has. The library libzip does not tell where an entry's data is. Only
// zlib is used, to inflate the data.
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
  kOneFolderOrProgram  // so, or without a folder, as torch.export of PyTorch 2.7 and earlier wrote them
};

// The entry that marks an archive without a top folder as one of torch.export.
inline constexpr std::string_view kFlatProgramEntry = "serialized_exported_program.json";

// Immutable after Open; thread-safe.
class ZipArchive {
 public:
  // DATA_LOSS for an archive that is damaged or breaks a limit. The message names the entry and the limit; for a
  // truncated archive it says how many bytes are there. INVALID_ARGUMENT for a sound zip that PyTorch did not write:
  // entries outside one top folder. Entries that are folders are left out.
  static absl::StatusOr<std::unique_ptr<ZipArchive>> Open(std::shared_ptr<const File> file,
                                                          ZipLayout layout = ZipLayout::kOneFolder);

  virtual ~ZipArchive() = default;
  // The archive's top folder, without the slash; empty where the archive has none.
  virtual const std::string& top_folder() const = 0;
  virtual const std::vector<ZipEntry>& entries() const = 0;
  // The entry called `name`; null for an unknown name.
  virtual const ZipEntry* Find(std::string_view name) const = 0;
  // Copies or inflates into `out`, whose size is entry.size_bytes. DATA_LOSS when that fails. Stored entries are not
  // checked against their CRC. torch.save can be told not to compute one (torch.serialization.set_crc32_options), and
  // torch.load does not look at it either.
  virtual absl::Status Read(const ZipEntry& entry, std::span<std::byte> out) const = 0;
  // The same as a string. RESOURCE_EXHAUSTED above `max_bytes`.
  absl::StatusOr<std::string> ReadString(const ZipEntry& entry, uint64_t max_bytes) const;
};

}  // namespace torchferry::checkpoint
