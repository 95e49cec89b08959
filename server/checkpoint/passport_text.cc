#include "server/checkpoint/passport_text.h"

#include <span>

#include "server/base/status.h"
#include "server/checkpoint/limits.h"

namespace torchferry::checkpoint {
namespace {

constexpr std::string_view kEntries[] = {"extra/torchferry.json", "extra_files/torchferry.json"};

absl::Status CheckSize(std::string_view name, uint64_t bytes) {
  if (bytes <= limits::kMaxPassportBytes) return absl::OkStatus();
  return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                          "has a passport, {}, of {} bytes; at most {} are read: save fewer or smaller golden rows",
                          name, bytes, limits::kMaxPassportBytes);
}

}  // namespace

absl::StatusOr<std::string> ReadPassportEntry(const ZipArchive& archive) {
  for (const std::string_view name : kEntries) {
    const ZipEntry* entry = archive.Find(name);
    if (entry == nullptr) continue;
    FERRY_RETURN_IF_ERROR(CheckSize(name, entry->size_bytes));
    return archive.ReadString(*entry, limits::kMaxPassportBytes);
  }
  return std::string();
}

absl::StatusOr<std::string> ReadPassportFile(const File& file) {
  if (const absl::Status size = CheckSize("the file itself", file.size()); !size.ok()) {
    return base::Annotate(size, file.name());
  }
  std::string text(file.size(), '\0');
  FERRY_RETURN_IF_ERROR(file.Read(0, std::as_writable_bytes(std::span<char>(text))));
  return text;
}

}  // namespace torchferry::checkpoint
