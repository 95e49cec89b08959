#include "server/checkpoint/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "server/base/status.h"
#include "server/checkpoint/sha256.h"

namespace torchferry::checkpoint {
namespace {

// What one digest update is fed with: large enough that the system calls do not show, small enough
// to stay in cache.
constexpr uint64_t kDigestPieceBytes = 1 << 20;

std::string SystemError(int error) { return std::strerror(error); }

std::string IdentityOf(const struct stat& info) {
  return fmt::format("{}:{}:{}:{}.{:09}", info.st_dev, info.st_ino, info.st_size, info.st_mtim.tv_sec,
                     info.st_mtim.tv_nsec);
}

class PosixFile final : public File {
 public:
  PosixFile(base::Descriptor open, const struct stat& info, std::string name)
      : File(std::move(name), static_cast<uint64_t>(info.st_size), IdentityOf(info)), open_(std::move(open)) {}

  std::string open_path() const override { return open_.path(); }

 protected:
  absl::Status DoRead(uint64_t offset, std::span<std::byte> out) const override {
    while (!out.empty()) {
      const ssize_t got = ::pread(open_.get(), out.data(), out.size(), static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) {
        return base::MakeStatus(absl::StatusCode::kUnavailable, "{}: reading at byte {} failed: {}", name(), offset,
                                SystemError(errno));
      }
      if (got == 0) {
        return base::MakeStatus(absl::StatusCode::kDataLoss,
                                "{}: became shorter while it was read: nothing at byte {} of {}", name(), offset,
                                size());
      }
      offset += static_cast<uint64_t>(got);
      out = out.subspan(static_cast<size_t>(got));
    }
    return absl::OkStatus();
  }

 private:
  const base::Descriptor open_;
};

class MemoryFile final : public File {
 public:
  MemoryFile(std::string bytes, std::string name) : File(std::move(name), bytes.size()), bytes_(std::move(bytes)) {}

 protected:
  absl::Status DoRead(uint64_t offset, std::span<std::byte> out) const override {
    std::memcpy(out.data(), bytes_.data() + offset, out.size());
    return absl::OkStatus();
  }

 private:
  const std::string bytes_;
};

absl::Status OpenError(int error, std::string_view name) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return base::MakeStatus(absl::StatusCode::kNotFound, "{}: no such file", name);
    case EACCES:
    case EPERM:
      return base::MakeStatus(absl::StatusCode::kPermissionDenied,
                              "{}: no permission to read it; the server's user needs read access", name);
    default:
      return base::MakeStatus(absl::StatusCode::kUnavailable, "{}: cannot be opened: {}", name, SystemError(error));
  }
}

absl::StatusOr<std::unique_ptr<File>> FileOf(base::Descriptor open, std::string name) {
  struct stat info = {};
  if (::fstat(open.get(), &info) != 0) return OpenError(errno, name);
  if (!S_ISREG(info.st_mode)) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument, "{}: is {}, not a file", name,
                            S_ISDIR(info.st_mode) ? "a directory" : "a device, pipe or socket");
  }
  return std::make_unique<PosixFile>(std::move(open), info, std::move(name));
}

}  // namespace

absl::StatusOr<std::unique_ptr<File>> File::Open(const std::string& path, std::string display_name) {
  // O_NONBLOCK: opening a pipe must not wait for a writer; it changes nothing for a regular file.
  base::Descriptor open(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (open.get() < 0) return OpenError(errno, display_name);
  return FileOf(std::move(open), std::move(display_name));
}

absl::StatusOr<std::unique_ptr<File>> File::Open(const base::StoreFolder& folder, const std::string& name,
                                                 std::string display_name) {
  FERRY_ASSIGN_OR_RETURN(base::Descriptor open, base::OpenInStore(folder, name, base::StoreEntry::kFile, display_name));
  return FileOf(std::move(open), std::move(display_name));
}

std::unique_ptr<File> File::FromBytes(std::string bytes, std::string display_name) {
  return std::make_unique<MemoryFile>(std::move(bytes), std::move(display_name));
}

absl::Status File::Read(uint64_t offset, std::span<std::byte> out) const {
  if (offset > size_ || out.size() > size_ - offset) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "{}: ends at byte {}, and {} bytes from byte {} are asked for",
                            name_, size_, out.size(), offset);
  }
  return out.empty() ? absl::OkStatus() : DoRead(offset, out);
}

absl::StatusOr<std::string> Sha256(const File& file, const std::function<bool(uint64_t)>& on_progress) {
  if (std::string known = file.known_sha256(); !known.empty()) return known;
  Sha256Stream digest;
  std::vector<std::byte> piece(std::min(file.size(), kDigestPieceBytes));
  for (uint64_t offset = 0; offset < file.size(); offset += piece.size()) {
    piece.resize(std::min(file.size() - offset, kDigestPieceBytes));
    FERRY_RETURN_IF_ERROR(file.Read(offset, piece));
    digest.Add(piece);
    if (on_progress && !on_progress(offset + piece.size())) {
      return absl::CancelledError("the digest was not wanted any more");
    }
  }
  FERRY_ASSIGN_OR_RETURN(const Sha256Digest done, digest.Finish());
  return ToHex(done);
}

}  // namespace torchferry::checkpoint
