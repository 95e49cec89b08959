#include "server/base/refusal.h"

#include <gtest/gtest.h>

namespace torchferry::base {
namespace {

TEST(RefusalTest, ALimitAndAPushbackTravelInTheStatus) {
  const absl::Status plain = absl::UnavailableError("queue full");
  EXPECT_EQ(LimitOf(plain), "");
  EXPECT_EQ(PushbackOf(plain), std::nullopt);
  const absl::Status both = WithPushback(WithLimit(plain, "queue_rows"), std::chrono::milliseconds(250));
  EXPECT_EQ(LimitOf(both), "queue_rows");
  EXPECT_EQ(PushbackOf(both), std::chrono::milliseconds(250));
  EXPECT_EQ(both.code(), plain.code());
  EXPECT_EQ(both.message(), plain.message());
}

TEST(RefusalTest, OkHasNeither) {
  EXPECT_EQ(LimitOf(WithLimit(absl::OkStatus(), "queue_rows")), "");
  EXPECT_EQ(PushbackOf(WithPushback(absl::OkStatus(), std::chrono::milliseconds(1))), std::nullopt);
}

}  // namespace
}  // namespace torchferry::base
