#include "server/batching/wake_policy.h"

#include <algorithm>

namespace torchferry::batching {
namespace {

// One request alone is run where it came from even if it computes for so long: a worker would take as long again to
// wake up.
constexpr base::Duration kQuickAlone = std::chrono::microseconds(500);

// By the clock: on a busy host a batch of milliseconds may take that.
constexpr base::Duration kLongRun = std::chrono::milliseconds(50);

}  // namespace

bool IsLeftToCaller(const QueueView& queue, base::TimePoint now) {
  return queue.left_to_caller.has_value() && now - *queue.left_to_caller < kWatch;
}

bool IsServedSoon(const QueueView& queue, base::TimePoint now) {
  if (!queue.may_run_on_caller || !queue.pace.IsQuick() || !queue.newest_start.has_value()) return false;
  const int64_t per_batch = std::max<int64_t>(1, queue.max_rows);
  const bool have_room = static_cast<int64_t>(queue.waiting) <= queue.running * per_batch;
  return have_room && now - *queue.newest_start <= queue.pace.longest();
}

bool WantsWorker(const QueueView& queue, base::TimePoint now) {
  return queue.waiting > 0 && !queue.is_at_limit && !IsServedSoon(queue, now) && !IsLeftToCaller(queue, now);
}

bool IsForCaller(const QueueView& queue) {
  const bool is_quick = queue.pace.IsQuick() || (queue.waiting <= 1 && queue.pace.longest_computing() <= kQuickAlone);
  return is_quick && queue.pace.IsProven() && queue.running == 0 && queue.threads == 1 && !queue.waits_for_company &&
         !queue.was_long && queue.may_run_on_caller;
}

bool IsForExpress(const QueueView& queue, base::TimePoint now) {
  if (!queue.pace.IsShort() || queue.is_at_limit || queue.holds_up) return false;
  const base::Duration far_longer = std::max(kLongRun, 4 * queue.pace.longest());
  return !queue.oldest_start.has_value() || now - *queue.oldest_start <= far_longer;
}

}  // namespace torchferry::batching
