// Sockets of this host that are files: "unix:/run/torchferry.sock".
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace torchferry::base {

// The path of "unix:PATH" or "unix://PATH"; nullopt when `address` is of another kind.
std::optional<std::string> UnixPathOf(std::string_view address);

// INVALID_ARGUMENT, with the reason, when no socket can be at `path`: it is not absolute, too long or has a zero byte.
absl::Status CheckUnixPath(std::string_view path);

// A socket that listens at a path. Closing it removes its file.
class UnixListener {
 public:
  // The file has the permissions `mode` from its creation on. It replaces the file of a server that has ended, and
  // nothing else. UNAVAILABLE, with the reason only: a server listens there, or something else is there.
  static absl::StatusOr<UnixListener> Open(const std::string& path, mode_t mode, int backlog);

  ~UnixListener() { Close(); }
  UnixListener(UnixListener&& other) noexcept { *this = std::move(other); }
  UnixListener& operator=(UnixListener&& other) noexcept;
  UnixListener(const UnixListener&) = delete;
  UnixListener& operator=(const UnixListener&) = delete;

  int descriptor() const { return descriptor_; }  // non-blocking
  // Removes the file if it still belongs to this socket.
  void Close();

 private:
  struct File {
    dev_t device = 0;
    ino_t inode = 0;
    bool operator==(const File&) const = default;
  };
  UnixListener() = default;

  static std::optional<File> FileAt(const std::string& path);

  int descriptor_ = -1;
  std::string path_;
  std::optional<File> file_;
};

}  // namespace torchferry::base
