#include "server/base/store_folder.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>

#include "server/base/status.h"

namespace torchferry::base {
namespace {

// Paths of the kernel's are at most a page long; longer ones cannot be told.
constexpr size_t kMaxPathBytes = size_t{4} * PATH_MAX;

absl::Status OpenError(int error, std::string_view shown) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return MakeStatus(absl::StatusCode::kNotFound, "{}: no such file", shown);
    case ELOOP:
      return MakeStatus(absl::StatusCode::kFailedPrecondition, "{}: is a link that leads in a circle", shown);
    case EACCES:
    case EPERM:
      return MakeStatus(absl::StatusCode::kPermissionDenied,
                        "{}: no permission to read it; the server's user needs read access", shown);
    default:
      return MakeStatus(absl::StatusCode::kUnavailable, "{}: cannot be opened: {}", shown, std::strerror(error));
  }
}

// Where what is open lies, without links. UNAVAILABLE where the kernel does not say.
absl::StatusOr<std::string> PlaceOf(const Descriptor& open, std::string_view shown) {
  std::string place(kMaxPathBytes, '\0');
  const ssize_t size = ::readlink(open.path().c_str(), place.data(), place.size());
  if (size <= 0 || static_cast<size_t>(size) == place.size()) {
    return MakeStatus(absl::StatusCode::kUnavailable, "{}: /proc/self/fd does not say where it lies; mount /proc",
                      shown);
  }
  place.resize(static_cast<size_t>(size));
  return place;
}

bool IsBelow(std::string_view place, std::string_view root) {
  if (root == "/") return place.starts_with('/');
  return place == root || (place.starts_with(root) && place.substr(root.size()).starts_with('/'));
}

}  // namespace

StoreFolder StoreFolder::operator/(std::string_view name) const {
  StoreFolder below = *this;
  if (!below.inside_.empty() && !name.empty()) below.inside_ += '/';
  below.inside_ += name;
  return below;
}

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

std::string Descriptor::path() const { return fmt::format("/proc/self/fd/{}", fd_); }

absl::StatusOr<Descriptor> OpenInStore(const StoreFolder& folder, const std::string& name, StoreEntry kind,
                                       std::string_view shown) {
  // O_PATH finds it and does not open it: no device notices.
  const int as_folder = kind == StoreEntry::kFolder ? O_DIRECTORY : 0;
  const Descriptor root(::open(folder.root().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (root.get() < 0) return OpenError(errno, shown);
  const std::string inside = (folder / name).inside();
  const Descriptor found(::openat(root.get(), inside.empty() ? "." : inside.c_str(), O_PATH | O_CLOEXEC | as_folder));
  if (found.get() < 0) return OpenError(errno, shown);
  if (!folder.follows_links_out()) {
    FERRY_ASSIGN_OR_RETURN(const std::string root_place, PlaceOf(root, shown));
    FERRY_ASSIGN_OR_RETURN(const std::string place, PlaceOf(found, shown));
    if (!IsBelow(place, root_place)) {
      return MakeStatus(absl::StatusCode::kFailedPrecondition,
                        "{}: a link leads out of the model store and is not followed; put the files themselves into "
                        "the store, or allow it with --follow-links-out-of-store",
                        shown);
    }
  }
  // O_NONBLOCK: opening a pipe must not wait for a writer; it changes nothing for a regular file.
  Descriptor opened(::open(found.path().c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | as_folder));
  if (opened.get() < 0) return OpenError(errno, shown);
  return opened;
}

}  // namespace torchferry::base
