// A folder of the model store, and what lies below it. Any writer of the store can put a link there that leads
// anywhere. A link that leads out of the store is not followed unless a flag allows it.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>
#include <utility>

namespace torchferry::base {

class StoreFolder {
 public:
  StoreFolder() = default;
  // The store itself: a path on this host, which may be a link. Implicit, as a store is given by its path.
  StoreFolder(std::string root) : root_(std::move(root)) {}          // NOLINT(google-explicit-constructor)
  StoreFolder(const char* root) : StoreFolder(std::string(root)) {}  // NOLINT(google-explicit-constructor)
  StoreFolder(std::string root, bool follows_links_out)
      : root_(std::move(root)), follows_links_out_(follows_links_out) {}

  // The folder `name`, "m" or "m/1", in this one.
  StoreFolder operator/(std::string_view name) const;

  // The path on this host, for messages to the server's operator and for files that are written.
  std::string path() const { return inside_.empty() ? root_ : root_ + "/" + inside_; }
  const std::string& root() const { return root_; }
  const std::string& inside() const { return inside_; }  // below the root: "m/1"; empty: the root
  bool follows_links_out() const { return follows_links_out_; }

 private:
  std::string root_;
  std::string inside_;
  bool follows_links_out_ = false;
};

// An open file or folder. The destructor closes it.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor();

  int get() const { return fd_; }  // negative: nothing is open
  // A path that leads to exactly the open file, whatever has its name now. It is valid while this lives.
  std::string path() const;

 private:
  int fd_;
};

enum class StoreEntry { kFile, kFolder };

// Opens `name` in `folder` for reading; an empty `name` is the folder itself. Links in the store are followed. The file
// that was checked is the one that is opened, even if another takes its name meanwhile. Opening a device or a pipe has
// no effect on it and does not wait; kFile does not ensure a regular file. Messages call it `shown`, its path inside
// the store. FAILED_PRECONDITION: it lies outside the store, or links lead in a circle; NOT_FOUND, PERMISSION_DENIED,
// UNAVAILABLE.
absl::StatusOr<Descriptor> OpenInStore(const StoreFolder& folder, const std::string& name, StoreEntry kind,
                                       std::string_view shown);

}  // namespace torchferry::base
