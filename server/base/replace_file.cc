#include "server/base/replace_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>

#include "server/base/status.h"

namespace torchferry::base {
namespace {

// 0, or errno.
int WriteNew(const std::string& path, std::string_view text) {
  // A process of the same number may have left it, or somebody put a link there.
  (void)unlink(path.c_str());
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (file < 0) return errno;
  int error = 0;
  while (!text.empty() && error == 0) {
    const ssize_t written = write(file, text.data(), text.size());
    if (written > 0) text.remove_prefix(static_cast<size_t>(written));
    if (written < 0 && errno != EINTR) error = errno;
  }
  if (close(file) != 0 && error == 0) error = errno;
  return error;
}

absl::Status Failed(std::string_view what, int error) {
  return MakeStatus(absl::StatusCode::kUnavailable, "{}: {}", what, std::generic_category().message(error));
}

}  // namespace

absl::Status ReplaceFile(const std::string& path, std::string_view text) {
  // The number is this process's, as several may share a folder.
  const std::string partial = fmt::format("{}.{}", path, getpid());
  if (const int error = WriteNew(partial, text); error != 0) {
    if (error != EEXIST) (void)unlink(partial.c_str());
    return Failed("the folder cannot be written", error);
  }
  if (std::rename(partial.c_str(), path.c_str()) == 0) return absl::OkStatus();
  const int error = errno;
  (void)unlink(partial.c_str());
  return Failed("what is there cannot be replaced", error);
}

}  // namespace torchferry::base
