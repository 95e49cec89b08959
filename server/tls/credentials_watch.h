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

// The source of credentials, asked for each new connection. Thread-safe.
class CredentialsSource {
 public:
  // Never null. It is another object when the credentials have changed.
  virtual std::shared_ptr<const Credentials> Current() const = 0;

 protected:
  ~CredentialsSource() = default;
};

// Checks the files each second, from Open to the destructor. It compares contents, so swapped links and file systems
// without notifications work, too. Bad contents are logged, and the served credentials stay.
class CredentialsWatch final : public CredentialsSource {
 public:
  // The events that are logged, for counting them. Called on the watch's thread.
  struct Events {
    std::function<void(const Credentials&)> on_taken;  // also for the first ones, in Open
    std::function<void()> on_refused;
  };

  // Returns the errors of ReadFiles and CheckCredentials.
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
  Rotation rotation_;  // used only by the thread
  mutable base::Mutex mutex_;
  std::shared_ptr<const Credentials> current_ FERRY_GUARDED_BY(mutex_);
  base::LoopThread loop_{"tls-watch", [this] { return Look(); }};
};

}  // namespace torchferry::tls
