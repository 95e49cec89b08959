// Work that cannot be interrupted, and that may be given up: a forward pass, a load.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>

#include "server/base/clock.h"

namespace torchferry::base {

// The handler of a pass that is over its time limit.
class Overrun {
 public:
  // Gives the pass up: nobody waits for it any more, and it runs on. Called at most once, on the watch's thread, while
  // the pass's End waits for it. It must be short and take no lock of the pass's thread. The watch's thread then calls
  // the result, when the pass may have ended; null: nothing to call.
  virtual std::function<void()> GiveUp(Duration so_far) = 0;

 protected:
  ~Overrun() = default;
};

// One pass, as the watch sees it.
struct PassView {
  uint64_t number = 0;  // counts the passes of its thread
  TimePoint began{};
  Duration limit{};  // zero: no limit
};

// Whether the pass is over its time limit. Pure.
inline bool IsPastLimit(const PassView& pass, TimePoint now) {
  return pass.limit > Duration::zero() && now - pass.began > pass.limit;
}

// The passes of one thread, one after another. That thread calls Begin and End; the watch calls the rest. There is no
// lock: a pass costs the thread a few stores.
class Pass {
 public:
  Pass() = default;
  Pass(const Pass&) = delete;
  Pass& operator=(const Pass&) = delete;

  // `overrun` lives until End. `limit` zero: no limit.
  void Begin(TimePoint now, Duration limit, Overrun& overrun) {
    began_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
    limit_.store(limit.count(), std::memory_order_relaxed);
    overrun_.store(&overrun, std::memory_order_relaxed);
    word_.store((++number_ << kStateBits) | kRunning, std::memory_order_release);
  }

  // True: the pass ended in time. False: it was given up, and Overrun::GiveUp has returned.
  bool End() {
    uint64_t word = (number_ << kStateBits) | kRunning;
    if (word_.compare_exchange_strong(word, number_ << kStateBits, std::memory_order_acq_rel)) return true;
    AwaitGivenUp();
    return false;
  }

  // The running pass, unless it was given up.
  std::optional<PassView> Look() const;

  // Gives up the pass that `seen` shows, unless it has ended. Returns the function to call next; null: nothing to call.
  std::function<void()> GiveUp(const PassView& seen, TimePoint now);

 private:
  enum State : uint64_t { kIdle = 0, kRunning = 1, kGivingUp = 2, kGivenUp = 3 };
  static constexpr int kStateBits = 2;
  static constexpr uint64_t kStates = 3;

  void AwaitGivenUp();

  uint64_t number_ = 0;  // used only by the thread of the passes
  // The pass's number, with its state in the lowest bits: so a look at one pass never gives up another.
  std::atomic<uint64_t> word_{kIdle};
  std::atomic<Duration::rep> began_{0};
  std::atomic<Duration::rep> limit_{0};
  std::atomic<Overrun*> overrun_{nullptr};
};

}  // namespace torchferry::base
