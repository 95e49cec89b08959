// The thread that finds passes that are over their time limits.
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

// Thread-safe. Outlives every object that has added a pass or a listener.
class StuckWatch {
 public:
  explicit StuckWatch(const Clock& clock) : clock_(clock) {}
  ~StuckWatch() { Stop(); }
  StuckWatch(const StuckWatch&) = delete;
  StuckWatch& operator=(const StuckWatch&) = delete;

  // Calls Look every 250 ms from now on. Call it once. Without it, only explicit calls of Look look.
  void Start() { loop_.Start(); }
  // Waits for a running look.
  void Stop() { loop_.Stop(); }

  // Adds the passes of a thread. They are watched until the last handle is dropped.
  std::shared_ptr<Pass> Add();

  // Calls `look` after each look at the passes, without a lock held, until Unsubscribe.
  int OnLook(std::function<void()> look) { return looks_.Subscribe(std::move(look)); }
  void Unsubscribe(int subscription) { looks_.Unsubscribe(subscription); }

  // One look: gives up each pass that is over its time limit. Only one call at a time.
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
