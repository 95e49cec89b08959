// The credentials of this server's listeners, kept up to date with their files.
#pragma once

#include <absl/status/statusor.h>

#include <functional>
#include <memory>

#include "server/base/loop_thread.h"
#include "server/base/mutex.h"
#include "server/tls/credentials.h"
#include "server/tls/files.h"
#include "server/tls/rotation.h"

namespace torchferry::tls {

// Whoever makes connections asks for each of them. Thread-safe.
class CredentialsSource {
 public:
  // Never null. Another object when they have changed.
  virtual std::shared_ptr<const Credentials> Current() const = 0;

 protected:
  ~CredentialsSource() = default;
};

// Looks at the files each second, from Open to the destructor: by their contents, so links that are swapped and file
// systems without notifications are the same to it. What is not good is logged, and what was served stays.
class CredentialsWatch final : public CredentialsSource {
 public:
  // What the log is told, for whoever counts it. On the watch's thread.
  struct Events {
    std::function<void(const Credentials&)> on_taken;  // the first too, in Open
    std::function<void()> on_refused;
  };

  // Errors of ReadFiles and CheckCredentials.
  static absl::StatusOr<std::unique_ptr<CredentialsWatch>> Open(const Files& files, Events events);
  CredentialsWatch(const CredentialsWatch&) = delete;
  CredentialsWatch& operator=(const CredentialsWatch&) = delete;

  std::shared_ptr<const Credentials> Current() const override;

 private:
  CredentialsWatch(Files files, Rotation rotation, Events events);
  base::TimePoint Look();
  void Take(const std::shared_ptr<const Credentials>& credentials);
  void TellAge(Date now);

  const Files files_;
  const Events events_;
  Rotation rotation_;  // the thread's
  mutable base::Mutex mutex_;
  std::shared_ptr<const Credentials> current_ FERRY_GUARDED_BY(mutex_);
  base::LoopThread loop_{"tls-watch", [this] { return Look(); }};
};

}  // namespace torchferry::tls
