#include "server/batching/wake_policy.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

namespace torchferry::batching {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr base::TimePoint kNow{std::chrono::hours(1)};

QueuePace PaceOf(base::Duration duration) {
  QueuePace pace;
  for (int i = 0; i < 40; ++i) pace.RecordBatch(duration);
  return pace;
}

const QueuePace kQuick = PaceOf(microseconds(60));
const QueuePace kShort = PaceOf(milliseconds(2));
const QueuePace kSlow = PaceOf(milliseconds(40));

struct Case {
  std::string name;
  QueueView queue;
  bool is_served_soon;
  bool wants_worker;
};

// One quick batch has just begun.
QueueView Busy(size_t waiting, int64_t max_rows) {
  return {.pace = kQuick,
          .waiting = waiting,
          .running = 1,
          .newest_start = kNow - microseconds(20),
          .max_rows = max_rows,
          .may_run_on_caller = true};
}

QueueView With(QueueView view, const std::function<void(QueueView&)>& change) {
  change(view);
  return view;
}

TEST(WakePolicyTest, WhoIsWokenForWhatWaits) {
  const std::vector<Case> cases = {
      {"nothing waits", {.pace = kQuick}, false, false},
      {"nothing runs", {.pace = kQuick, .waiting = 1}, false, true},
      {"a quick batch takes the rest with it", Busy(7, 8), true, false},
      {"more waits than its next batch holds", Busy(9, 8), false, true},
      {"unbatched: the next one is taken soon", Busy(1, 0), true, false},
      {"unbatched: the others want workers", Busy(7, 0), false, true},
      {"four run, four wait", With(Busy(4, 0), [](QueueView& view) { view.running = 4; }), true, false},
      {"it should have ended by now",
       With(Busy(1, 8), [](QueueView& view) { view.newest_start = kNow - milliseconds(1); }), false, true},
      {"an accelerator has two in flight", With(Busy(1, 8), [](QueueView& view) { view.may_run_on_caller = false; }),
       false, true},
      {"at its limit", With(Busy(9, 8), [](QueueView& view) { view.is_at_limit = true; }), false, false},
      {"left to a caller",
       {.pace = kQuick, .waiting = 1, .left_to_caller = kNow - milliseconds(1), .may_run_on_caller = true},
       false,
       false},
      {"which does not come",
       {.pace = kQuick, .waiting = 1, .left_to_caller = kNow - milliseconds(11), .may_run_on_caller = true},
       false,
       true},
      {"slow batches are not waited for",
       {.pace = kSlow, .waiting = 1, .running = 1, .newest_start = kNow, .max_rows = 8, .may_run_on_caller = true},
       false,
       true},
  };
  for (const Case& one : cases) {
    EXPECT_EQ(IsServedSoon(one.queue, kNow), one.is_served_soon) << one.name;
    EXPECT_EQ(WantsWorker(one.queue, kNow), one.wants_worker) << one.name;
  }
}

TEST(WakePolicyTest, QuickBatchesOnTheCpuAreForTheCaller) {
  const QueueView quick{.pace = kQuick, .waiting = 1, .may_run_on_caller = true};
  EXPECT_TRUE(IsForCaller(quick));
  EXPECT_FALSE(IsForCaller(With(quick, [](QueueView& view) { view.running = 1; })));
  EXPECT_FALSE(IsForCaller(With(quick, [](QueueView& view) { view.threads = 2; })));
  EXPECT_FALSE(IsForCaller(With(quick, [](QueueView& view) { view.waits_for_company = true; })));
  EXPECT_FALSE(IsForCaller(With(quick, [](QueueView& view) { view.was_long = true; })));
  EXPECT_FALSE(IsForCaller(With(quick, [](QueueView& view) { view.may_run_on_caller = false; })));
  EXPECT_FALSE(IsForCaller({.pace = kShort, .waiting = 1, .may_run_on_caller = true}));
  QueuePace expected;
  expected.Expect(microseconds(60));
  EXPECT_FALSE(IsForCaller({.pace = expected, .waiting = 1, .may_run_on_caller = true})) << "it was not seen often";
}

TEST(WakePolicyTest, ARequestAloneIsForTheCallerIfItTakesHalfAMillisecond) {
  const QueuePace pace = PaceOf(microseconds(400));
  const QueueView alone{.pace = pace, .waiting = 1, .may_run_on_caller = true};
  EXPECT_TRUE(IsForCaller(alone));
  EXPECT_FALSE(IsForCaller(With(alone, [](QueueView& view) { view.waiting = 2; })));
}

TEST(WakePolicyTest, ShortBatchesAreForTheExpressWorker) {
  EXPECT_TRUE(IsForExpress({.pace = kShort, .waiting = 1}, kNow));
  EXPECT_TRUE(IsForExpress({.pace = kQuick, .waiting = 1}, kNow));
  EXPECT_FALSE(IsForExpress({.pace = kSlow, .waiting = 1}, kNow));
  EXPECT_FALSE(IsForExpress({.pace = QueuePace(), .waiting = 1}, kNow)) << "nothing is known of it";
  EXPECT_FALSE(IsForExpress({.pace = kShort, .waiting = 1, .is_at_limit = true}, kNow));
  EXPECT_FALSE(IsForExpress({.pace = kShort, .waiting = 1, .holds_up = true}, kNow));
}

TEST(WakePolicyTest, AQueueWhoseBatchTakesFarLongerThanItsBatchesDidIsNotShort) {
  QueueView queue{.pace = kShort, .waiting = 1, .running = 1};
  queue.oldest_start = queue.newest_start = kNow - milliseconds(20);
  EXPECT_TRUE(IsForExpress(queue, kNow)) << "the host may be busy";
  queue.oldest_start = kNow - milliseconds(60);
  EXPECT_FALSE(IsForExpress(queue, kNow)) << "whatever began after it";
}

}  // namespace
}  // namespace torchferry::batching
