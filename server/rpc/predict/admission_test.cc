#include "server/rpc/predict/admission.h"

#include <gtest/gtest.h>

#include <functional>
#include <latch>
#include <thread>

namespace torchferry::rpc {
namespace {

using std::chrono::microseconds;

const base::TimePoint kStart = base::TimePoint() + std::chrono::hours(1);
const base::TimePoint kPast{};

TEST(AdmissionTest, CountsWhoIsInside) {
  Admission admission;
  EXPECT_TRUE(admission.Enter(kStart));
  EXPECT_TRUE(admission.Enter(kStart));
  EXPECT_EQ(admission.inside(), 2);
  admission.Leave();
  EXPECT_EQ(admission.inside(), 1);
}

TEST(AdmissionTest, NobodyComesInOnceItIsClosed) {
  Admission admission;
  EXPECT_TRUE(admission.Enter(kStart));
  admission.Close(kStart);
  EXPECT_FALSE(admission.Enter(kStart));
  EXPECT_EQ(admission.inside(), 1);
}

TEST(AdmissionTest, AnEmptyOneIsNotWaitedFor) {
  Admission admission;
  EXPECT_TRUE(admission.WaitUntilEmpty(kPast));
  EXPECT_TRUE(admission.Enter(kStart));
  EXPECT_FALSE(admission.WaitUntilEmpty(kPast));
  admission.Leave();
  EXPECT_TRUE(admission.WaitUntilEmpty(kPast));
}

TEST(AdmissionTest, TheLastOneThatLeavesEndsTheWait) {
  Admission admission;
  EXPECT_TRUE(admission.Enter(kStart));
  EXPECT_TRUE(admission.Enter(kStart));
  std::latch waits(1);
  bool is_empty = false;
  std::thread waiter([&] {
    waits.count_down();
    is_empty = admission.WaitUntilEmpty(base::Clock::Real().Now() + std::chrono::hours(1));
  });
  waits.wait();
  admission.Leave();
  admission.Leave();
  waiter.join();
  EXPECT_TRUE(is_empty);
  EXPECT_EQ(admission.inside(), 0);
}

// Whose time is what `now` says at each look.
class ScriptedClock final : public base::Clock {
 public:
  explicit ScriptedClock(std::function<base::TimePoint(int look)> now) : now_(std::move(now)) {}
  base::TimePoint Now() const override { return now_(++looks_); }
  int looks() const { return looks_; }

 private:
  const std::function<base::TimePoint(int look)> now_;
  mutable int looks_ = 0;
};

TEST(AdmissionTest, ItIsQuietSoLongAfterTheLastOneAsked) {
  Admission admission;
  admission.Close(kStart);
  const ScriptedClock clock([&](int look) {
    if (look == 1) {
      EXPECT_FALSE(admission.Enter(kStart + microseconds(40)));  // so it lasts until 90
    }
    const int now[] = {20, 60, 89, 90};
    return kStart + microseconds(now[look - 1]);
  });
  admission.WaitUntilQuiet(microseconds(50), kStart + std::chrono::hours(1), clock);
  EXPECT_EQ(clock.looks(), 4);
}

TEST(AdmissionTest, WhoAsksForEverIsNotWaitedForBeyondTheDeadline) {
  Admission admission;
  admission.Close(kStart);
  const ScriptedClock clock([&](int look) {
    const base::TimePoint now = kStart + microseconds(40 * look);
    EXPECT_FALSE(admission.Enter(now));
    return now;
  });
  admission.WaitUntilQuiet(microseconds(50), kStart + microseconds(200), clock);
  EXPECT_EQ(clock.looks(), 5);
}

}  // namespace
}  // namespace torchferry::rpc
