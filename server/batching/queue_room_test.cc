#include "server/batching/queue_room.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/base/refusal.h"
#include "server/base/status.h"

namespace torchferry::batching {
namespace {

TEST(CheckRoomTest, NamesTheLimitThatIsMet) {
  struct Case {
    QueueLimits limits;
    QueueLoad load;
    QueueLoad more;
    std::string limit;  // empty: there is room
    std::string text;
  };
  const std::vector<Case> cases = {
      {{.tasks = 2}, {1, 1, 8}, {1, 1, 8}, "", ""},
      {{.tasks = 2}, {2, 2, 16}, {1, 1, 8}, "queue_requests", "2 requests wait already, the limit"},
      {{.tasks = 2}, {1, 1'000'000, int64_t{1} << 40}, {1, 1, 8}, "", "rows and bytes without a limit"},
      {{.tasks = 9, .rows = 10}, {1, 8, 8}, {1, 2, 8}, "", "as many as may be"},
      {{.tasks = 9, .rows = 10}, {1, 8, 8}, {1, 3, 8}, "queue_rows", "8 rows wait already, and this request has 3"},
      {{.tasks = 9, .rows = 10}, {0, 0, 0}, {1, 11, 8}, "", "alone it waits"},
      {{.tasks = 9, .bytes = 100}, {1, 1, 60}, {1, 1, 40}, "", ""},
      {{.tasks = 9, .bytes = 100}, {1, 1, 60}, {1, 1, 41}, "queue_bytes", "60 bytes wait already, and this request"},
      {{.tasks = 9, .bytes = 100}, {0, 0, 0}, {1, 1, 101}, "", "alone it waits"},
      {{.tasks = 0}, {0, 0, 0}, {1, 1, 1}, "queue_requests", "0 requests"},
      {{.tasks = 1, .rows = 1, .bytes = 1}, {1, 1, 1}, {1, 1, 1}, "queue_requests", "the first of several"},
  };
  for (const Case& c : cases) {
    const absl::Status status = CheckRoom(c.limits, c.load, c.more);
    EXPECT_EQ(base::LimitOf(status), c.limit) << c.text;
    EXPECT_EQ(status.ok(), c.limit.empty()) << c.text;
    if (status.ok() || c.limit == "queue_requests") continue;
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
    EXPECT_NE(base::MessageOf(status).find(c.text), std::string::npos) << base::MessageOf(status);
  }
}

}  // namespace
}  // namespace torchferry::batching
