#include "client/bench/arrivals.h"

#include <gtest/gtest.h>

#include <cmath>

namespace torchferry::client {
namespace {

using std::chrono::duration;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

TEST(ArrivalsTest, ConstantOnesAreEvenlySpacedFromTheStart) {
  Arrivals arrivals(ArrivalKind::kConstant, 200, 0);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(arrivals.Next(), milliseconds(5 * i));
}

TEST(ArrivalsTest, ConstantOnesDoNotDrift) {
  Arrivals arrivals(ArrivalKind::kConstant, 3, 0);
  nanoseconds last{};
  for (int i = 0; i <= 3'000'000; ++i) last = arrivals.Next();
  EXPECT_NEAR(duration<double>(last).count(), 1'000'000, 1e-6);
}

TEST(ArrivalsTest, PoissonHasTheRateAndTheSpreadOfOne) {
  Arrivals arrivals(ArrivalKind::kPoisson, 1000, 7);
  constexpr int kCount = 100'000;
  double sum = 0;
  double squares = 0;
  nanoseconds last{};
  for (int i = 0; i < kCount; ++i) {
    const nanoseconds due = arrivals.Next();
    ASSERT_GE(due, last);
    const double gap = duration<double>(due - last).count();
    sum += gap;
    squares += gap * gap;
    last = due;
  }
  const double mean = sum / kCount;
  EXPECT_NEAR(mean, 1e-3, 2e-5);
  // Exponential gaps deviate by as much as their mean.
  EXPECT_NEAR(std::sqrt(squares / kCount - mean * mean), 1e-3, 3e-5);
}

TEST(ArrivalsTest, PoissonIsTheSameForTheSameSeed) {
  Arrivals one(ArrivalKind::kPoisson, 50, 3);
  Arrivals same(ArrivalKind::kPoisson, 50, 3);
  Arrivals other(ArrivalKind::kPoisson, 50, 4);
  const nanoseconds first = one.Next();
  EXPECT_EQ(first, same.Next());
  EXPECT_NE(first, other.Next());
}

}  // namespace
}  // namespace torchferry::client
