// A batch whose forward pass does not end: its requests are still answered.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "server/base/clock.h"
#include "server/base/pass.h"
#include "server/batching/scheduler.h"
#include "server/serving/predict_task.h"

namespace torchferry::serving {

// The owner of the passes, and their time limit.
struct PassLimit {
  std::string model;
  int64_t version = 0;
  base::Duration limit{0};  // zero: no limit
};

// The passes of one batch on one thread. Not thread-safe, except GiveUp.
class WatchedBatch final : private base::Overrun {
 public:
  // The referenced objects outlive it. `scheduler` also outlives the result of GiveUp.
  WatchedBatch(const PassLimit& limit, batching::Scheduler& scheduler, batching::Scheduler::Runner& runner,
               const base::Clock& clock)
      : limit_(limit), scheduler_(scheduler), runner_(runner), clock_(clock) {}

  // Runs `work`, which cannot be interrupted, for `batch`, which must not change meanwhile. Returns the result of
  // `work`.
  template <typename Work>
  auto Do(const Batch& batch, const Work& work) {
    batch_ = &batch;
    runner_.pass().Begin(clock_.Now(), limit_.limit, *this);
    auto result = work();
    if (!runner_.pass().End()) is_given_up_ = true;
    return result;
  }

  // Its requests have been answered; nothing must run for them any more.
  bool is_given_up() const { return is_given_up_; }

 private:
  std::function<void()> GiveUp(base::Duration so_far) override;

  const PassLimit& limit_;
  batching::Scheduler& scheduler_;
  batching::Scheduler::Runner& runner_;
  const base::Clock& clock_;
  const Batch* batch_ = nullptr;
  bool is_given_up_ = false;
};

}  // namespace torchferry::serving
