// The thread that sees what does not end: passes beyond their limits.
#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "server/base/clock.h"
#include "server/base/loop_thread.h"
#include "server/base/mutex.h"
#include "server/base/pass.h"
#include "server/base/subscribers.h"

namespace torchferry::base {

// Thread-safe. Outlives those that have added something.
class StuckWatch {
 public:
  explicit StuckWatch(const Clock& clock) : clock_(clock) {}
  ~StuckWatch() { Stop(); }
  StuckWatch(const StuckWatch&) = delete;
  StuckWatch& operator=(const StuckWatch&) = delete;

  // Looks from now on every 250 ms. Once; without it, only Look does.
  void Start() { loop_.Start(); }
  // Waits for a look that runs.
  void Stop() { loop_.Stop(); }

  // The passes of a thread, watched until the last handle is dropped.
  std::shared_ptr<Pass> Add();

  // `look` is called after each look at the passes, without a lock held, until Unsubscribe.
  int OnLook(std::function<void()> look) { return looks_.Subscribe(std::move(look)); }
  void Unsubscribe(int subscription) { looks_.Unsubscribe(subscription); }

  // One look: gives up what is past its limit. One at a time.
  void Look();

 private:
  static constexpr Duration kEvery = std::chrono::milliseconds(250);

  const Clock& clock_;
  Mutex mutex_;
  std::vector<std::shared_ptr<Pass>> passes_ FERRY_GUARDED_BY(mutex_);
  Subscribers<> looks_;
  LoopThread loop_{"stuck-watch", [this] {
                     Look();
                     return Clock::Real().Now() + kEvery;
                   }};
};

}  // namespace torchferry::base
