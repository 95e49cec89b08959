// The identities of a server, from its file. The file is read again when it changes.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <string>

#include "server/base/clock.h"
#include "server/base/loop_thread.h"
#include "server/base/mutex.h"
#include "server/identity/identity_set.h"

namespace torchferry::identity {

// Thread-safe.
class Identities {
 public:
  // Reads the file at `path` on this host. Returns the errors of reading it, and those of ParseIdentities. From then on
  // the file is checked every `interval`. It is read when it has changed, and then stays the same from one check to the
  // next. A file that is broken or gone leaves the set as it was; the log says why, once.
  static absl::StatusOr<std::unique_ptr<Identities>> Open(const std::string& path, base::Duration interval);
  Identities(const Identities&) = delete;
  Identities& operator=(const Identities&) = delete;

  std::shared_ptr<const IdentitySet> current() const {
    base::MutexLock lock(mutex_);
    return current_;
  }

  // One check of the file, as the thread does it; for tests.
  void Look();

 private:
  explicit Identities(std::string path) : path_(std::move(path)) {}
  void Use(std::shared_ptr<const IdentitySet> set) {
    base::MutexLock lock(mutex_);
    current_ = std::move(set);
  }

  const std::string path_;
  // Used only by the thread. The first two name a version of the file by device, inode, size and time of change.
  std::string in_use_;   // the version that was read last, good or not
  std::string seen_;     // the version at the last check
  std::string failure_;  // why it could not be opened at the last check

  mutable base::Mutex mutex_;
  std::shared_ptr<const IdentitySet> current_ FERRY_GUARDED_BY(mutex_);
  std::unique_ptr<base::LoopThread> thread_;
};

}  // namespace torchferry::identity
