#include "server/checkpoint/zip_end.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "server/base/status.h"
#include "server/checkpoint/zip_record.h"

namespace torchferry::checkpoint {
namespace {

// APPNOTE.TXT 4.3.14 to 4.3.16.
constexpr std::string_view kEndSignature = "PK\x05\x06";
constexpr uint64_t kEndBytes = 22;
constexpr std::string_view kZip64LocatorSignature = "PK\x06\x07";
constexpr uint64_t kZip64LocatorBytes = 20;
constexpr std::string_view kZip64EndSignature = "PK\x06\x06";
constexpr uint64_t kZip64EndBytes = 56;

// Where the ZIP64 record is, if the locator before the end record is one.
absl::StatusOr<std::optional<uint64_t>> FindZip64End(const File& file, uint64_t end) {
  if (end < kZip64LocatorBytes + kZip64EndBytes) return std::nullopt;
  FERRY_ASSIGN_OR_RETURN(const std::string locator, ReadRecord(file, end - kZip64LocatorBytes, kZip64LocatorBytes));
  if (!locator.starts_with(kZip64LocatorSignature)) return std::nullopt;
  const uint64_t at = LittleEndian(locator, 8, 8);
  if (at > end - kZip64LocatorBytes - kZip64EndBytes) return std::nullopt;
  return at;
}

absl::Status Inconsistent() {
  return absl::DataLossError(
      "is a damaged zip: its directory is not where its end-of-archive record says; download or "
      "copy it again");
}

}  // namespace

absl::StatusOr<ZipDirectoryPlace> FindZipDirectory(const File& file) {
  const uint64_t tail_bytes = std::min(file.size(), kEndBytes);
  FERRY_ASSIGN_OR_RETURN(const std::string tail, ReadRecord(file, file.size() - tail_bytes, tail_bytes));
  // At the very end, without a comment, and the only signature there: readers search for it in
  // different ways.
  if (tail.size() < kEndBytes || tail.rfind(kEndSignature) != 0 || LittleEndian(tail, 20, 2) != 0) {
    return base::MakeStatus(absl::StatusCode::kDataLoss,
                            "is a truncated zip: {} bytes, end-of-archive record missing; download or "
                            "copy it again",
                            file.size());
  }
  uint64_t end = file.size() - kEndBytes;
  ZipDirectoryPlace place = {
      .offset = LittleEndian(tail, 16, 4), .size = LittleEndian(tail, 12, 4), .entries = LittleEndian(tail, 10, 2)};
  FERRY_ASSIGN_OR_RETURN(const std::optional<uint64_t> zip64_end, FindZip64End(file, end));
  if (zip64_end.has_value()) {
    FERRY_ASSIGN_OR_RETURN(const std::string record, ReadRecord(file, *zip64_end, kZip64EndBytes));
    if (!record.starts_with(kZip64EndSignature)) return Inconsistent();
    place = {.offset = LittleEndian(record, 48, 8),
             .size = LittleEndian(record, 40, 8),
             .entries = LittleEndian(record, 32, 8)};
    end = *zip64_end;
  }
  if (place.offset > end || place.size != end - place.offset) return Inconsistent();
  return place;
}

}  // namespace torchferry::checkpoint
