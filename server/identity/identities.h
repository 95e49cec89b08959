// The identities of a server: those of its file, which is read again when it changes.
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
  // The set of the file at `path`, a path of this host. Its errors, and ParseIdentities'. From then on the file is
  // looked at every `interval`: one that has changed, and stands still from one look to the next, is read. A file that
  // is broken or gone leaves the set as it was, and the log says why, once.
  static absl::StatusOr<std::unique_ptr<Identities>> Open(const std::string& path, base::Duration interval);
  Identities(const Identities&) = delete;
  Identities& operator=(const Identities&) = delete;

  std::shared_ptr<const IdentitySet> current() const {
    base::MutexLock lock(mutex_);
    return current_;
  }

  // One look, as the thread takes it; for tests.
  void Look();

 private:
  explicit Identities(std::string path) : path_(std::move(path)) {}
  void Use(std::shared_ptr<const IdentitySet> set) {
    base::MutexLock lock(mutex_);
    current_ = std::move(set);
  }

  const std::string path_;
  // The thread's: which file, by device, inode, size and time of change.
  std::string in_use_;   // it was read last, whether it was good or not
  std::string seen_;     // at the last look
  std::string failure_;  // of opening it at the last look

  mutable base::Mutex mutex_;
  std::shared_ptr<const IdentitySet> current_ FERRY_GUARDED_BY(mutex_);
  std::unique_ptr<base::LoopThread> thread_;
};

}  // namespace torchferry::identity
