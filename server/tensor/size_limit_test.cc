#include "server/tensor/size_limit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/base/status.h"

namespace torchferry::tensor {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

SizeLimit Limit(size_t dimension, const std::string& symbol, int64_t multiple = 1) {
  SizeLimit limit;
  limit.dimension = dimension;
  limit.min = 4;
  limit.max = 16;
  limit.multiple = multiple;
  limit.symbol = symbol;
  return limit;
}

std::string Refusal(const Shape& shape, const std::vector<SizeLimit>& limits) {
  SizeCheck check;
  const absl::Status status = check.Add("x", shape, limits);
  EXPECT_TRUE(status.ok() || status.code() == absl::StatusCode::kInvalidArgument);
  return base::MessageOf(status);
}

TEST(SizeLimitTest, SizesOutsideAreRefused) {
  const std::vector<SizeLimit> limits = {Limit(1, "s0")};
  EXPECT_EQ(Refusal({1, 4}, limits), "");
  EXPECT_EQ(Refusal({1, 16}, limits), "");
  EXPECT_THAT(Refusal({1, 3}, limits), AllOf(HasSubstr("[1, 3]"), HasSubstr("dimension 1 is 3"), HasSubstr("4 to 16")));
  EXPECT_THAT(Refusal({1, 17}, limits), HasSubstr("is 17"));
  EXPECT_EQ(Refusal({3}, limits), "");
}

TEST(SizeLimitTest, MultiplesAreHeld) {
  EXPECT_EQ(Refusal({8}, {Limit(0, "s0", 4)}), "");
  EXPECT_THAT(Refusal({6}, {Limit(0, "s0", 4)}), HasSubstr("a multiple of 4"));
}

TEST(SizeLimitTest, OneSymbolIsOneNumberInARequest) {
  const std::vector<SizeLimit> ids = {Limit(1, "s0")};
  const std::vector<SizeLimit> mask = {Limit(0, "s0", 2)};
  SizeCheck check;
  EXPECT_TRUE(check.Add("ids", Shape{1, 5}, ids).ok());
  EXPECT_TRUE(check.Add("mask", Shape{10}, mask).ok());
  EXPECT_THAT(base::MessageOf(check.Add("mask", Shape{12}, mask)),
              AllOf(HasSubstr("expected 10"), HasSubstr("\"ids\"")));
  EXPECT_THAT(Refusal({5, 6}, {Limit(0, "s0"), Limit(1, "s0")}), HasSubstr("expected 5"));
}

}  // namespace
}  // namespace torchferry::tensor
