// A folder of the model store, and what lies below it. A link in the store leads where whoever wrote it likes: one that
// leads out of the store is not followed unless the server was told to.
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

  // On this host, for messages to whoever runs the server, and for what is written.
  std::string path() const { return inside_.empty() ? root_ : root_ + "/" + inside_; }
  const std::string& root() const { return root_; }
  const std::string& inside() const { return inside_; }  // from the root: "m/1"; empty: the root
  bool follows_links_out() const { return follows_links_out_; }

 private:
  std::string root_;
  std::string inside_;
  bool follows_links_out_ = false;
};

// An open file or folder: closed at its end.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor();

  int get() const { return fd_; }  // negative: nothing is open
  // A path that leads to exactly what is open, whatever stands under its name now, as long as this lives.
  std::string path() const;

 private:
  int fd_;
};

enum class StoreEntry { kFile, kFolder };

// Opens `name` in `folder` for reading; `name` may be empty for the folder itself. Links in the store are followed.
// What was looked at is what is open: nothing that is put in its place meanwhile. Opening a device or a pipe has no
// effect on it and does not wait; kFile does not say that it is a regular file. `shown` is what messages call it, its
// path inside the store. FAILED_PRECONDITION: it lies outside the store; NOT_FOUND, PERMISSION_DENIED, UNAVAILABLE.
absl::StatusOr<Descriptor> OpenInStore(const StoreFolder& folder, const std::string& name, StoreEntry kind,
                                       std::string_view shown);

}  // namespace torchferry::base
