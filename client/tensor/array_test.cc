#include "client/tensor/array.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "server/base/status.h"

namespace torchferry::client {
namespace {

using ::testing::HasSubstr;

Array Of(tensor::DType dtype, const std::vector<Element>& elements) {
  Array array{dtype, {static_cast<int64_t>(elements.size())}, {}};
  for (const Element& element : elements) EXPECT_TRUE(AppendElement(element, &array).ok());
  return array;
}

absl::Status Append(tensor::DType dtype, Element element) {
  Array array{dtype, {1}, {}};
  return AppendElement(element, &array);
}

TEST(ArrayTest, IntegersKeepTheirLimits) {
  const auto check = [](tensor::DType dtype, Element element) {
    EXPECT_EQ(GetElement(Of(dtype, {element}), 0), element) << Name(dtype);
  };
  check(tensor::DType::kInt8, int64_t{-128});
  check(tensor::DType::kUint8, int64_t{255});
  check(tensor::DType::kInt16, int64_t{-32768});
  check(tensor::DType::kUint32, int64_t{4294967295});
  check(tensor::DType::kInt64, std::numeric_limits<int64_t>::min());
  check(tensor::DType::kUint64, std::numeric_limits<uint64_t>::max());
}

TEST(ArrayTest, RefusesWhatDoesNotFit) {
  EXPECT_THAT(base::MessageOf(Append(tensor::DType::kUint8, int64_t{300})), HasSubstr("300 does not fit UINT8"));
  EXPECT_FALSE(Append(tensor::DType::kUint8, int64_t{-1}).ok());
  EXPECT_FALSE(Append(tensor::DType::kInt64, std::numeric_limits<uint64_t>::max()).ok());
  EXPECT_FALSE(Append(tensor::DType::kInt64, 9223372036854775808.0).ok());
  EXPECT_FALSE(Append(tensor::DType::kUint64, 18446744073709551616.0).ok());
  EXPECT_THAT(base::MessageOf(Append(tensor::DType::kInt32, 1.5)), HasSubstr("1.5 is not a whole number"));
  EXPECT_FALSE(Append(tensor::DType::kInt32, std::numeric_limits<double>::quiet_NaN()).ok());
  EXPECT_FALSE(Append(tensor::DType::kBool, int64_t{2}).ok());
  EXPECT_THAT(base::MessageOf(Append(tensor::DType::kFp16, 1e6)), HasSubstr("does not fit FP16"));
  EXPECT_FALSE(Append(tensor::DType::kFp32, 1e300).ok());
  EXPECT_FALSE(Append(tensor::DType::kInvalid, int64_t{1}).ok());
}

TEST(ArrayTest, InfinityIsAValue) {
  const double infinity = std::numeric_limits<double>::infinity();
  for (const tensor::DType dtype :
       {tensor::DType::kFp16, tensor::DType::kBf16, tensor::DType::kFp32, tensor::DType::kFp64}) {
    EXPECT_EQ(GetElement(Of(dtype, {-infinity}), 0), Element(-infinity)) << Name(dtype);
  }
}

TEST(ArrayTest, CastsFloat64ToFloat32) {
  const auto cast = Cast(Of(tensor::DType::kFp64, {0.1, -2.0}), tensor::DType::kFp32);
  ASSERT_TRUE(cast.ok()) << cast.status();
  EXPECT_EQ(cast->dtype, tensor::DType::kFp32);
  EXPECT_EQ(cast->shape, (tensor::Shape{2}));
  EXPECT_EQ(GetElement(*cast, 0), Element(double{0.1F}));
}

TEST(ArrayTest, CastNamesTheElementThatDoesNotFit) {
  Array array = Of(tensor::DType::kFp64, {1.0, 2.0, 3.0, 4.5});
  array.shape = {2, 2};
  const auto cast = Cast(array, tensor::DType::kInt64);
  EXPECT_EQ(cast.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(base::MessageOf(cast.status()), HasSubstr("element [1, 1]: 4.5 is not a whole number"));
}

}  // namespace
}  // namespace torchferry::client
