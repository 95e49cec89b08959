#include "server/rpc/predict/stream_window.h"

#include <gtest/gtest.h>

#include "server/tensor/request_limits.h"

namespace torchferry::rpc {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

TEST(StreamWindowTest, ManySmallRequestsAreUnderWayUpToTheLimit) {
  const StreamWindow window;
  for (size_t in_flight = 0; in_flight < limits::kMaxStreamRequests; ++in_flight) {
    EXPECT_TRUE(window.Admits(in_flight, 100, kMiB)) << in_flight;
  }
  EXPECT_FALSE(window.Admits(limits::kMaxStreamRequests, 100, kMiB));
}

TEST(StreamWindowTest, ALargeRequestGoesAlone) {
  const StreamWindow window;
  EXPECT_TRUE(window.Admits(0, 100 * kMiB, kMiB));
  EXPECT_FALSE(window.Admits(1, 100 * kMiB, kMiB));
  EXPECT_FALSE(window.Admits(1, kMiB, kMiB)) << "with another like it";
  EXPECT_TRUE(window.Admits(1, kMiB / 2, kMiB));
}

TEST(StreamWindowTest, LargeAnswersMakeItSmallerForAWhile) {
  StreamWindow window;
  window.Saw(100 * kMiB);
  EXPECT_TRUE(window.Admits(0, 100, kMiB));
  EXPECT_FALSE(window.Admits(1, 100, kMiB));
  for (int i = 0; i < 100; ++i) window.Saw(100);
  EXPECT_TRUE(window.Admits(1, 100, kMiB));
}

TEST(StreamWindowTest, WithMostOfTheBudgetInUseAStreamStaysSmall) {
  const MemoryBudget::Limits large{.bytes = 1000 * kMiB, .connection_bytes = 250 * kMiB};
  EXPECT_EQ(StreamWindow::MaxBytes(large, 0), limits::kMaxStreamBytes);
  EXPECT_LT(StreamWindow::MaxBytes(large, 501 * kMiB), MemoryBudget::kSmallBytes);
  const MemoryBudget::Limits small{.bytes = 16 * kMiB, .connection_bytes = 4 * kMiB};
  EXPECT_EQ(StreamWindow::MaxBytes(small, 0), kMiB / 2);
}

}  // namespace
}  // namespace torchferry::rpc
