#include "server/base/unix_socket.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "server/base/status.h"
#include "server/base/store_folder.h"

namespace torchferry::base {
namespace {

constexpr std::string_view kScheme = "unix:";
constexpr size_t kMaxSocketPathBytes = sizeof(sockaddr_un::sun_path) - 1;
constexpr mode_t kPermissions = 0777;

// For another server that looks at the same folder.
constexpr auto kLockPatience = std::chrono::seconds(5);
constexpr auto kLockPause = std::chrono::milliseconds(20);

sockaddr_un AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(&address.sun_path, path.data(), path.size());
  return address;
}

template <typename Call>
int WithAddress(Call call, int descriptor, const std::string& path) {
  const sockaddr_un address = AddressOf(path);
  return call(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
}

absl::Status Unavailable(int error) { return MakeStatus(absl::StatusCode::kUnavailable, "{}", std::strerror(error)); }

// While this is open, no other server decides what to do with a file of the same folder.
absl::StatusOr<Descriptor> LockFolderOf(const std::string& path) {
  const std::string folder = path.substr(0, path.rfind('/') + 1);
  Descriptor opened(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (opened.get() < 0) return MakeStatus(absl::StatusCode::kUnavailable, "its folder: {}", std::strerror(errno));
  const auto until = std::chrono::steady_clock::now() + kLockPatience;
  while (flock(opened.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return Unavailable(errno);
    if (std::chrono::steady_clock::now() > until) {
      return MakeStatus(absl::StatusCode::kUnavailable, "its folder is locked by another process");
    }
    std::this_thread::sleep_for(kLockPause);
  }
  return opened;
}

// Removes the file of a server that has ended. OK: nothing is at `path` any more.
absl::Status RemoveStale(const std::string& path) {
  struct stat about {};
  if (lstat(path.c_str(), &about) != 0) return errno == ENOENT ? absl::OkStatus() : Unavailable(errno);
  if (!S_ISSOCK(about.st_mode)) {
    return MakeStatus(absl::StatusCode::kUnavailable, "something that is no socket is there");
  }
  const Descriptor probe(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (probe.get() < 0) return Unavailable(errno);
  const bool is_refused = WithAddress(connect, probe.get(), path) != 0 && errno == ECONNREFUSED;
  if (!is_refused) return Unavailable(EADDRINUSE);  // somebody listens, or may: nobody is put out
  return unlink(path.c_str()) == 0 || errno == ENOENT ? absl::OkStatus() : Unavailable(errno);
}

}  // namespace

std::optional<std::string> UnixPathOf(std::string_view address) {
  if (!address.starts_with(kScheme)) return std::nullopt;
  address.remove_prefix(kScheme.size());
  if (address.starts_with("///")) address.remove_prefix(2);
  return std::string(address);
}

absl::Status CheckUnixPath(std::string_view path) {
  const auto invalid = [&](std::string_view why) {
    return MakeStatus(absl::StatusCode::kInvalidArgument, "\"unix:{}\" {}; expected unix:/FOLDER/FILE", path, why);
  };
  if (!path.starts_with('/') || path.ends_with('/')) return invalid("has no absolute path of a file");
  if (path.find('\0') != std::string_view::npos) return invalid("has a zero byte");
  if (path.size() > kMaxSocketPathBytes) {
    return MakeStatus(absl::StatusCode::kInvalidArgument,
                      "\"unix:{}\" has a path of {} bytes; a socket's has at most {}: choose a shorter folder", path,
                      path.size(), kMaxSocketPathBytes);
  }
  return absl::OkStatus();
}

std::optional<UnixListener::File> UnixListener::FileAt(const std::string& path) {
  struct stat about {};
  if (lstat(path.c_str(), &about) != 0) return std::nullopt;
  return File{about.st_dev, about.st_ino};
}

absl::StatusOr<UnixListener> UnixListener::Open(const std::string& path, mode_t mode, int backlog) {
  FERRY_RETURN_IF_ERROR(CheckUnixPath(path));
  FERRY_ASSIGN_OR_RETURN(const Descriptor lock, LockFolderOf(path));
  FERRY_RETURN_IF_ERROR(RemoveStale(path));
  UnixListener listener;
  listener.descriptor_ = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (listener.descriptor_ < 0) return Unavailable(errno);
  // The file gets the socket's permissions, less the umask: at no time more than `mode`.
  if (fchmod(listener.descriptor_, mode & kPermissions) != 0) return Unavailable(errno);
  if (WithAddress(bind, listener.descriptor_, path) != 0) return Unavailable(errno);
  listener.path_ = path;
  listener.file_ = FileAt(path);
  if (chmod(path.c_str(), mode & kPermissions) != 0) return Unavailable(errno);
  if (listen(listener.descriptor_, backlog) != 0) return Unavailable(errno);
  return listener;
}

UnixListener& UnixListener::operator=(UnixListener&& other) noexcept {
  if (this != &other) {
    Close();
    descriptor_ = std::exchange(other.descriptor_, -1);
    path_ = std::move(other.path_);
    file_ = std::exchange(other.file_, std::nullopt);
  }
  return *this;
}

void UnixListener::Close() {
  if (file_.has_value() && FileAt(path_) == file_) unlink(path_.c_str());
  file_.reset();
  if (descriptor_ >= 0) close(std::exchange(descriptor_, -1));
}

}  // namespace torchferry::base
