#include "server/batching/expected_wait.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "server/base/refusal.h"
#include "server/base/status.h"

namespace torchferry::batching {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

constexpr base::TimePoint kNow{hours(1)};

TEST(EarliestStartTest, CountsWhatHasToRunBefore) {
  struct Case {
    std::string what;
    EarliestStart::Pace pace;
    std::vector<std::pair<int64_t, int>> before;  // rows, and milliseconds that are left; 0: no deadline
    int milliseconds;
  };
  const EarliestStart::Pace alone = {.rows = 0, .parallel = 1, .shortest = milliseconds(10)};
  const EarliestStart::Pace by_fours = {.rows = 4, .parallel = 1, .shortest = milliseconds(10)};
  const EarliestStart::Pace two = {.rows = 0, .parallel = 2, .shortest = milliseconds(10)};
  const std::vector<Case> cases = {
      {"nothing waits", alone, {}, 0},
      {"each runs alone", alone, {{1, 0}, {7, 0}, {1, 0}}, 30},
      {"two at a time", two, {{1, 0}, {1, 0}, {1, 0}}, 10},
      {"it may share the last batch", by_fours, {{1, 0}, {1, 0}, {1, 0}}, 0},
      {"a full batch is before it", by_fours, {{1, 0}, {1, 0}, {1, 0}, {1, 0}}, 10},
      {"rows count", by_fours, {{3, 0}, {3, 0}, {3, 0}}, 20},
      {"a task above a batch is one", by_fours, {{40, 0}}, 10},
      {"one that cannot be answered takes no time", alone, {{1, 9}, {1, 0}}, 10},
      {"one that can, does", alone, {{1, 10}, {1, 0}}, 20},
      {"one behind others has less time", alone, {{1, 0}, {1, 19}, {1, 20}, {1, 0}}, 30},
      {"all of one deadline: as many as fit", alone, {{1, 25}, {1, 25}, {1, 25}, {1, 25}}, 20},
      {"one that has ended", alone, {{1, -5}}, 0},
  };
  for (const Case& c : cases) {
    EarliestStart start(c.pace, kNow);
    int64_t rows = 0;
    for (const auto& [count, left] : c.before) {
      start.Add(count, left == 0 ? base::kNoDeadline : kNow + milliseconds(left));
      rows += count;
    }
    EXPECT_EQ(start.Get() - kNow, milliseconds(c.milliseconds)) << c.what;
    const base::Duration most = EarliestStart::MaxOffset(c.pace, static_cast<int64_t>(c.before.size()), rows);
    EXPECT_LE(start.Get() - kNow, most) << c.what;
  }
}

TEST(WaitStatusTest, SaysBothTimesAndWhenToAskAgain) {
  struct Case {
    base::Duration earliest;
    base::Duration left;
    int64_t pushback;
  };
  for (const Case& c : {Case{milliseconds(1500), milliseconds(500), 1000},
                        Case{milliseconds(500), milliseconds(500) - base::Duration(1), 1},
                        Case{hours(2), milliseconds(1), 60'000}, Case{milliseconds(10), milliseconds(-5), 15}}) {
    const absl::Status status = WaitStatus(c.earliest, c.left);
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(base::LimitOf(status), "wait");
    EXPECT_EQ(base::PushbackOf(status), milliseconds(c.pushback));
  }
  EXPECT_NE(base::MessageOf(WaitStatus(milliseconds(1500), milliseconds(500))).find("1.500 s or more"),
            std::string::npos);
}

}  // namespace
}  // namespace torchferry::batching
