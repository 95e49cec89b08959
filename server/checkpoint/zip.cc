#include "server/checkpoint/zip.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <unordered_map>
#include <utility>

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/checkpoint/zip_directory.h"
#include "server/checkpoint/zip_rules.h"

namespace torchferry::checkpoint {
namespace {

constexpr size_t kInflateInputBytes = size_t{64} * 1024;
// zlib counts its output in 32 bits.
constexpr size_t kInflateOutputBytes = size_t{1} << 30;

// Inflates one entry, piece by piece, into exactly `out`.
class Inflater {
 public:
  Inflater() { ready_ = inflateInit2(&stream_, -MAX_WBITS) == Z_OK; }
  ~Inflater() {
    if (ready_) inflateEnd(&stream_);
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  absl::Status Run(const File& file, const ZipEntry& entry, std::span<std::byte> out) {
    if (!ready_) return absl::ResourceExhaustedError("zlib has no memory");
    uint64_t offset = entry.file_offset;
    uint64_t left = entry.stored_bytes;
    size_t produced = 0;
    int result = Z_OK;
    while (result == Z_OK) {
      if (stream_.avail_in == 0 && left > 0) {
        const size_t count = std::min<uint64_t>(left, input_.size());
        FERRY_RETURN_IF_ERROR(file.Read(offset, std::span(input_).first(count)));
        stream_.next_in = reinterpret_cast<Bytef*>(input_.data());
        stream_.avail_in = static_cast<uInt>(count);
        offset += count;
        left -= count;
      }
      const size_t room = std::min(out.size() - produced, kInflateOutputBytes);
      // A place to point at even when nothing is left: a stream's last block may end after its last
      // byte.
      stream_.next_out = room == 0 ? &spare_ : reinterpret_cast<Bytef*>(out.data() + produced);
      stream_.avail_out = room == 0 ? 1 : static_cast<uInt>(room);
      const uInt offered = stream_.avail_out;
      result = inflate(&stream_, Z_NO_FLUSH);
      const size_t got = offered - stream_.avail_out;
      if (room == 0 && got > 0) return absl::DataLossError("inflates to more than its size says");
      produced += got;
    }
    if (result != Z_STREAM_END || produced != out.size()) {
      return absl::DataLossError("does not inflate to the size that the directory gives");
    }
    return absl::OkStatus();
  }

 private:
  z_stream stream_ = {};
  bool ready_ = false;
  Bytef spare_ = 0;
  std::array<std::byte, kInflateInputBytes> input_;
};

uint32_t Crc32(std::span<const std::byte> bytes) {
  return static_cast<uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

class FileArchive final : public ZipArchive {
 public:
  FileArchive(std::shared_ptr<const File> file, std::string top, std::vector<ZipEntry> entries)
      : file_(std::move(file)), top_(std::move(top)), entries_(std::move(entries)) {
    for (const ZipEntry& entry : entries_) by_name_.emplace(entry.name, &entry);
  }

  const std::string& top_folder() const override { return top_; }
  const std::vector<ZipEntry>& entries() const override { return entries_; }

  const ZipEntry* Find(std::string_view name) const override {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : found->second;
  }

  absl::Status Read(const ZipEntry& entry, std::span<std::byte> out) const override {
    if (out.size() != entry.size_bytes) {
      return absl::InternalError("ZipArchive::Read: the buffer does not have the entry's size");
    }
    if (!entry.is_compressed) return file_->Read(entry.file_offset, out);
    absl::Status status = std::make_unique<Inflater>()->Run(*file_, entry, out);
    if (status.ok() && Crc32(out) != entry.crc32) {
      status = absl::DataLossError("fails its CRC check");
    }
    return base::Annotate(status, fmt::format("{}: zip entry {}", file_->name(), Quoted(entry.name)));
  }

 private:
  const std::shared_ptr<const File> file_;
  const std::string top_;
  const std::vector<ZipEntry> entries_;
  std::unordered_map<std::string_view, const ZipEntry*> by_name_;
};

absl::StatusOr<std::unique_ptr<ZipArchive>> OpenArchive(std::shared_ptr<const File> file, ZipLayout layout) {
  FERRY_ASSIGN_OR_RETURN(std::vector<ZipEntry> entries, ReadZipDirectory(*file));
  FERRY_ASSIGN_OR_RETURN(std::string top, FindTopFolder(entries, layout));
  FERRY_RETURN_IF_ERROR(CheckArchive(entries, file->size()));
  std::erase_if(entries, [](const ZipEntry& entry) { return entry.name.ends_with('/'); });
  if (!top.empty()) {
    for (ZipEntry& entry : entries) entry.name.erase(0, top.size() + 1);
  }
  return std::make_unique<FileArchive>(std::move(file), std::move(top), std::move(entries));
}

}  // namespace

absl::StatusOr<std::unique_ptr<ZipArchive>> ZipArchive::Open(std::shared_ptr<const File> file, ZipLayout layout) {
  const std::string name = file->name();
  absl::StatusOr<std::unique_ptr<ZipArchive>> archive = OpenArchive(std::move(file), layout);
  if (!archive.ok()) return base::Annotate(archive.status(), name);
  return archive;
}

absl::StatusOr<std::string> ZipArchive::ReadString(const ZipEntry& entry, uint64_t max_bytes) const {
  if (entry.size_bytes > max_bytes) {
    return base::MakeStatus(absl::StatusCode::kResourceExhausted, "zip entry {} has {} bytes; at most {} are read",
                            Quoted(entry.name), entry.size_bytes, max_bytes);
  }
  std::string text(entry.size_bytes, '\0');
  FERRY_RETURN_IF_ERROR(Read(entry, std::as_writable_bytes(std::span<char>(text))));
  return text;
}

}  // namespace torchferry::checkpoint
