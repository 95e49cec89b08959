// Work that cannot be interrupted, and that may be given up: a forward pass, a load.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>

#include "server/base/clock.h"

namespace torchferry::base {

// What becomes of a pass that is past its limit.
class Overrun {
 public:
  // Nobody waits for the pass any more; it runs on. Called once at most, on the watch's thread, while End of the pass
  // waits for it: short, without a lock of the pass's thread. What it gives is called after that on the same thread,
  // when the pass may have ended; null: nothing.
  virtual std::function<void()> GiveUp(Duration so_far) = 0;

 protected:
  ~Overrun() = default;
};

// One pass, as the watch sees it.
struct PassView {
  uint64_t number = 0;  // of the passes of its thread
  TimePoint began{};
  Duration limit{};  // zero: none
};

// Whether it has taken longer than it may. Pure.
inline bool IsPastLimit(const PassView& pass, TimePoint now) {
  return pass.limit > Duration::zero() && now - pass.began > pass.limit;
}

// The passes of one thread, one after another. Begin and End are that thread's; the rest is the watch's. No lock: a
// pass costs the thread a few stores.
class Pass {
 public:
  Pass() = default;
  Pass(const Pass&) = delete;
  Pass& operator=(const Pass&) = delete;

  // `overrun` lives until End. `limit` zero: none.
  void Begin(TimePoint now, Duration limit, Overrun& overrun) {
    began_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
    limit_.store(limit.count(), std::memory_order_relaxed);
    overrun_.store(&overrun, std::memory_order_relaxed);
    word_.store((++number_ << kStateBits) | kRunning, std::memory_order_release);
  }

  // True: in time. False: it was given up, and Overrun::GiveUp has returned.
  bool End() {
    uint64_t word = (number_ << kStateBits) | kRunning;
    if (word_.compare_exchange_strong(word, number_ << kStateBits, std::memory_order_acq_rel)) return true;
    AwaitGivenUp();
    return false;
  }

  // The running pass that was not given up.
  std::optional<PassView> Look() const;

  // Gives up the pass that `seen` shows, unless it has ended. What is to be called next; null: nothing.
  std::function<void()> GiveUp(const PassView& seen, TimePoint now);

 private:
  enum State : uint64_t { kIdle = 0, kRunning = 1, kGivingUp = 2, kGivenUp = 3 };
  static constexpr int kStateBits = 2;
  static constexpr uint64_t kStates = 3;

  void AwaitGivenUp();

  uint64_t number_ = 0;  // of the thread alone
  // The number of the pass, and its state in the lowest bits: a look at one pass never gives up another.
  std::atomic<uint64_t> word_{kIdle};
  std::atomic<Duration::rep> began_{0};
  std::atomic<Duration::rep> limit_{0};
  std::atomic<Overrun*> overrun_{nullptr};
};

}  // namespace torchferry::base
