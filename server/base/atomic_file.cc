#include "server/base/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "server/base/status.h"
#include "server/base/store_folder.h"

namespace torchferry::base {
namespace {

// Names that are taken, by a write that a crash cut off, are passed over.
constexpr int kMaxTries = 16;

bool WriteAll(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

// Nobody else writes to what is open: O_EXCL follows no link. Sets `partial` to its path.
Descriptor CreateBeside(const std::string& path, std::string& partial) {
  static std::atomic<uint64_t> count = 0;
  for (int i = 0; i < kMaxTries; ++i) {
    partial = fmt::format("{}.{}.{}.partial", path, ::getpid(), count++);
    Descriptor file(::open(partial.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666));
    if (file.get() >= 0 || errno != EEXIST) return file;
  }
  return Descriptor(-1);
}

// The folder's entry, too, is on the disk.
bool SyncFolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const Descriptor open(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return open.get() >= 0 && ::fsync(open.get()) == 0;
}

}  // namespace

absl::Status WriteFileAtomically(const std::string& path, std::string_view text, Durability durability) {
  std::string partial;
  const Descriptor file = CreateBeside(path, partial);
  bool is_written = file.get() >= 0;
  if (is_written) {
    is_written = WriteAll(file.get(), text) && (durability == Durability::kProcess || ::fsync(file.get()) == 0) &&
                 std::rename(partial.c_str(), path.c_str()) == 0;
    const int error = errno;
    if (!is_written) std::remove(partial.c_str());
    errno = error;
  }
  if (is_written && durability == Durability::kHost) is_written = SyncFolderOf(path);
  if (is_written) return absl::OkStatus();
  return MakeStatus(absl::StatusCode::kUnavailable, "cannot write {}: {}", path, std::strerror(errno));
}

}  // namespace torchferry::base
