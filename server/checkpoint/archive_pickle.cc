#include "server/checkpoint/archive_pickle.h"

#include <algorithm>
#include <span>

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/checkpoint/limits.h"
#include "server/checkpoint/pickle_machine.h"

namespace torchferry::checkpoint {

absl::StatusOr<std::unique_ptr<ArchivePickle>> ReadArchivePickle(const ZipArchive& archive, std::string_view name,
                                                                 const PickleGlobals& globals, Judge judge) {
  const ZipEntry* entry = archive.Find(name);
  if (entry == nullptr) {
    return base::MakeStatus(absl::StatusCode::kDataLoss,
                            "has no entry {}: it is damaged; download or copy it again, or save it anew", Quoted(name));
  }
  if (entry->size_bytes > limits::kMaxPickleBytes) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "{} has {} bytes; at most {} are read", name,
                            entry->size_bytes, limits::kMaxPickleBytes);
  }
  auto pickle = std::make_unique<ArchivePickle>();
  FERRY_ASSIGN_OR_RETURN(pickle->bytes, archive.ReadString(*entry, limits::kMaxPickleBytes));
  const absl::Status read = ReadPickle(pickle->bytes, globals, pickle->tree);
  FERRY_RETURN_IF_ERROR(judge(pickle->tree, base::Annotate(read, name)));
  return pickle;
}

absl::StatusOr<std::unique_ptr<ArchivePickle>> ReadFilePickle(const File& file, uint64_t position, uint64_t max_bytes,
                                                              std::string_view what, const PickleGlobals& globals,
                                                              Judge judge) {
  constexpr uint64_t kFirstWindow = uint64_t{64} << 10;
  constexpr uint64_t kGrowth = 4;
  if (position > file.size()) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "{} is missing", what);
  }
  const uint64_t most = std::min(file.size() - position, max_bytes);
  for (uint64_t window = std::min(kFirstWindow, most);; window = std::min(window * kGrowth, most)) {
    auto pickle = std::make_unique<ArchivePickle>();
    pickle->bytes.resize(window);
    FERRY_RETURN_IF_ERROR(file.Read(position, std::as_writable_bytes(std::span<char>(pickle->bytes))));
    const absl::Status read = ReadPickle(pickle->bytes, globals, pickle->tree);
    // Each round reads from the start: what it costs in all is little more than the last.
    if (!read.ok() && pickle->tree.breaks_off && window < most) continue;
    FERRY_RETURN_IF_ERROR(
        judge(pickle->tree, read.ok() || pickle->tree.breaks_off ? absl::OkStatus() : base::Annotate(read, what)));
    if (!read.ok() && pickle->tree.breaks_off && window == max_bytes) {
      return base::MakeStatus(absl::StatusCode::kDataLoss, "{} has more than the {} bytes that are read", what,
                              max_bytes);
    }
    if (!read.ok() && pickle->tree.breaks_off) {
      return base::MakeStatus(
          absl::StatusCode::kDataLoss,
          "breaks off at byte {}, inside {}, which begins at byte {}; download or copy the file again", file.size(),
          what, position);
    }
    return pickle;
  }
}

absl::Status CheckByteOrder(const ZipArchive& archive) {
  constexpr uint64_t kMaxBytes = 16;
  const ZipEntry* entry = archive.Find("byteorder");
  if (entry == nullptr) return absl::OkStatus();
  if (entry->size_bytes > kMaxBytes) return absl::DataLossError("its byteorder entry is too long");
  FERRY_ASSIGN_OR_RETURN(const std::string order, archive.ReadString(*entry, kMaxBytes));
  if (order == "little") return absl::OkStatus();
  return base::MakeStatus(order == "big" ? absl::StatusCode::kInvalidArgument : absl::StatusCode::kDataLoss,
                          "was saved with byte order {}; only little-endian files are read: in Python, on a "
                          "little-endian machine, torch.save(torch.load(\"model.pt\"), \"model.pt\")",
                          Quoted(order));
}

}  // namespace torchferry::checkpoint
