#include "server/checkpoint/zip_directory.h"

#include <string>
#include <string_view>
#include <utility>

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/checkpoint/limits.h"
#include "server/checkpoint/zip_end.h"
#include "server/checkpoint/zip_record.h"

namespace torchferry::checkpoint {
namespace {

// APPNOTE.TXT 4.3.7 (local header), 4.3.12 (directory entry), 4.5.3 (ZIP64's extra field).
constexpr std::string_view kLocalSignature = "PK\x03\x04";
constexpr uint64_t kLocalBytes = 30;
constexpr std::string_view kEntrySignature = "PK\x01\x02";
constexpr uint64_t kEntryBytes = 46;
constexpr uint64_t kZip64ExtraId = 1;
constexpr uint64_t kInZip64Extra = 0xFFFFFFFF;
constexpr uint64_t kStored = 0;
constexpr uint64_t kDeflated = 8;
constexpr uint64_t kEncryptedFlag = 1;

absl::Status Damaged(std::string_view what) {
  return base::MakeStatus(absl::StatusCode::kDataLoss, "is a damaged zip: {}; download or copy it again", what);
}

absl::Status EntryError(const ZipEntry& entry, std::string_view why) {
  return base::MakeStatus(absl::StatusCode::kDataLoss, "zip entry {} {}", Quoted(entry.name), why);
}

// An entry as the directory has it, and where its local header is.
struct DirectoryEntry {
  ZipEntry entry;
  uint64_t header_offset = 0;
  uint64_t method = 0;
  uint64_t flags = 0;
};

// Fills what did not fit in 32 bits from the extra field, in the order that the format prescribes.
bool ApplyZip64(std::string_view extra, DirectoryEntry& found) {
  std::string_view values;
  while (extra.size() >= 4) {
    const uint64_t size = LittleEndian(extra, 2, 2);
    if (size > extra.size() - 4) return false;
    if (LittleEndian(extra, 0, 2) == kZip64ExtraId) values = extra.substr(4, size);
    extra.remove_prefix(4 + size);
  }
  for (uint64_t* field : {&found.entry.size_bytes, &found.entry.stored_bytes, &found.header_offset}) {
    if (*field != kInZip64Extra) continue;
    if (values.size() < 8) return false;
    *field = LittleEndian(values, 0, 8);
    values.remove_prefix(8);
  }
  return true;
}

absl::Status CheckEntry(const DirectoryEntry& found) {
  const ZipEntry& entry = found.entry;
  if ((found.flags & kEncryptedFlag) != 0)
    return EntryError(entry, "is encrypted; unpack the archive and put the file in it here");
  if (found.method != kStored && found.method != kDeflated) {
    return EntryError(entry, fmt::format("uses compression method {}; stored and deflate are read", found.method));
  }
  if (found.method == kStored && entry.size_bytes != entry.stored_bytes) {
    return EntryError(entry, "is stored, but with two different sizes");
  }
  return absl::OkStatus();
}

// Takes one entry off the front of `rest`.
absl::StatusOr<DirectoryEntry> TakeEntry(std::string_view& rest) {
  if (rest.size() < kEntryBytes || !rest.starts_with(kEntrySignature)) {
    return Damaged("its directory breaks off");
  }
  const uint64_t name_bytes = LittleEndian(rest, 28, 2);
  const uint64_t extra_bytes = LittleEndian(rest, 30, 2);
  const uint64_t comment_bytes = LittleEndian(rest, 32, 2);
  if (name_bytes == 0 || name_bytes > limits::kMaxZipNameBytes) {
    return Damaged(
        fmt::format("an entry's name has {} bytes; 1 to {} are allowed", name_bytes, limits::kMaxZipNameBytes));
  }
  if (name_bytes + extra_bytes + comment_bytes > rest.size() - kEntryBytes) {
    return Damaged("its directory breaks off");
  }
  DirectoryEntry found;
  found.entry.name = std::string(rest.substr(kEntryBytes, name_bytes));
  found.entry.size_bytes = LittleEndian(rest, 24, 4);
  found.entry.stored_bytes = LittleEndian(rest, 20, 4);
  found.entry.crc32 = static_cast<uint32_t>(LittleEndian(rest, 16, 4));
  found.header_offset = LittleEndian(rest, 42, 4);
  found.flags = LittleEndian(rest, 8, 2);
  found.method = LittleEndian(rest, 10, 2);
  found.entry.is_compressed = found.method != kStored;
  if (!ApplyZip64(rest.substr(kEntryBytes + name_bytes, extra_bytes), found)) {
    return EntryError(found.entry, "has a damaged ZIP64 field");
  }
  rest.remove_prefix(kEntryBytes + name_bytes + extra_bytes + comment_bytes);
  FERRY_RETURN_IF_ERROR(CheckEntry(found));
  return found;
}

// Sets where the entry's data is, which only its local header says. Both headers must agree: what
// other readers load is what the local one names.
absl::Status LocateData(const File& file, uint64_t directory_offset, DirectoryEntry& found) {
  ZipEntry& entry = found.entry;
  const uint64_t header_bytes = kLocalBytes + entry.name.size();
  if (header_bytes > directory_offset || found.header_offset > directory_offset - header_bytes) {
    return EntryError(entry, "begins past the end");
  }
  FERRY_ASSIGN_OR_RETURN(const std::string header, ReadRecord(file, found.header_offset, header_bytes));
  if (!header.starts_with(kLocalSignature) || LittleEndian(header, 8, 2) != found.method ||
      LittleEndian(header, 26, 2) != entry.name.size() || header.substr(kLocalBytes) != entry.name) {
    return EntryError(entry, "has a local header that contradicts the directory");
  }
  entry.file_offset = found.header_offset + header_bytes + LittleEndian(header, 28, 2);
  if (entry.file_offset > directory_offset || entry.stored_bytes > directory_offset - entry.file_offset) {
    return EntryError(entry, fmt::format("reaches past the end: {} bytes from byte {} of {}", entry.stored_bytes,
                                         entry.file_offset, directory_offset));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<ZipEntry>> ReadZipDirectory(const File& file) {
  FERRY_ASSIGN_OR_RETURN(const ZipDirectoryPlace place, FindZipDirectory(file));
  if (place.entries > limits::kMaxZipEntries || place.size > limits::kMaxZipDirectoryBytes) {
    return base::MakeStatus(absl::StatusCode::kDataLoss,
                            "is a zip of {} entries in a directory of {} bytes; at most {} and {} are "
                            "read",
                            place.entries, place.size, limits::kMaxZipEntries, limits::kMaxZipDirectoryBytes);
  }
  FERRY_ASSIGN_OR_RETURN(const std::string directory, ReadRecord(file, place.offset, place.size));
  std::string_view rest = directory;
  std::vector<ZipEntry> entries;
  while (entries.size() < place.entries) {
    FERRY_ASSIGN_OR_RETURN(DirectoryEntry found, TakeEntry(rest));
    FERRY_RETURN_IF_ERROR(LocateData(file, place.offset, found));
    entries.push_back(std::move(found.entry));
  }
  if (!rest.empty()) return Damaged("its directory is longer than it says");
  return entries;
}

}  // namespace torchferry::checkpoint
