#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "server/base/status.h"
#include "server/tensor/device_id.h"
#include "server/tensor/dtype.h"
#include "server/tensor/shape.h"

namespace torchferry::tensor {
namespace {

using ::testing::HasSubstr;

TEST(DTypeTest, ParsesEveryNameItGives) {
  for (int i = 1; i <= static_cast<int>(DType::kComplex128); ++i) {
    const auto dtype = static_cast<DType>(i);
    EXPECT_EQ(ParseDType(Name(dtype)).value(), dtype);
    EXPECT_EQ(ByteSize(dtype) == 0, dtype == DType::kBytes);
  }
}

TEST(DTypeTest, NamesAnUnknownDtypeAndWhatIsKnown) {
  const auto dtype = ParseDType("float");
  EXPECT_THAT(base::MessageOf(dtype.status()), ::testing::AllOf(HasSubstr("\"float\""), HasSubstr("FP32")));
}

TEST(ShapeTest, CountsElements) {
  EXPECT_EQ(ElementCount(Shape{}).value(), 1);
  EXPECT_EQ(ElementCount(Shape{2, 3}).value(), 6);
  EXPECT_EQ(ElementCount(Shape{std::numeric_limits<int64_t>::max(), 1, 0}).value(), 0);
  EXPECT_FALSE(ElementCount(Shape{0, -1}).ok());
}

// Its strides would overflow.
TEST(ShapeTest, AnEmptyShapeMayNotHideAnOverflow) {
  for (const Shape& shape : {Shape{0, int64_t{1} << 62, 4}, Shape{std::numeric_limits<int64_t>::max(), 9, 0}}) {
    EXPECT_THAT(base::MessageOf(ElementCount(shape).status()), HasSubstr("overflows"));
  }
}

TEST(ShapeTest, MatchesWildcards) {
  EXPECT_TRUE(Matches(Shape{-1, 4}, Shape{7, 4}));
  EXPECT_FALSE(Matches(Shape{-1, 4}, Shape{7, 5}));
  EXPECT_FALSE(Matches(Shape{-1, 4}, Shape{7}));
}

TEST(DeviceIdTest, RoundTrips) {
  EXPECT_EQ(ToString(ParseDeviceId("cpu").value()), "cpu");
  EXPECT_EQ(ToString(ParseDeviceId("cuda").value()), "cuda:0");
  EXPECT_EQ(ToString(ParseDeviceId("cuda:1").value()), "cuda:1");
  EXPECT_EQ(ToString(ParseDeviceId("sim:3").value()), "sim:3");
}

TEST(DeviceIdTest, NamesWhatIsNoDevice) {
  for (const char* text : {"", "gpu0", "cuda:", "cuda:-1", "cuda:x", "cuda:999", "cpu:1", "CUDA:0", "cuda:0 "}) {
    EXPECT_THAT(base::MessageOf(ParseDeviceId(text).status()), HasSubstr(fmt::format("\"{}\"", text)));
  }
}

}  // namespace
}  // namespace torchferry::tensor
