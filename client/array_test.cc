#include "client/array.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "server/base/status.h"

namespace torchferry::client {
namespace {

using ::testing::HasSubstr;

Array Of(DType dtype, const std::vector<Element>& elements) {
  Array array{dtype, {static_cast<int64_t>(elements.size())}, {}};
  for (const Element& element : elements) EXPECT_TRUE(AppendElement(element, &array).ok());
  return array;
}

absl::Status Append(DType dtype, Element element) {
  Array array{dtype, {1}, {}};
  return AppendElement(element, &array);
}

TEST(ArrayTest, IntegersKeepTheirLimits) {
  const auto check = [](DType dtype, Element element) {
    EXPECT_EQ(GetElement(Of(dtype, {element}), 0), element) << Name(dtype);
  };
  check(DType::kInt8, int64_t{-128});
  check(DType::kUint8, int64_t{255});
  check(DType::kInt16, int64_t{-32768});
  check(DType::kUint32, int64_t{4294967295});
  check(DType::kInt64, std::numeric_limits<int64_t>::min());
  check(DType::kUint64, std::numeric_limits<uint64_t>::max());
}

TEST(ArrayTest, RefusesWhatDoesNotFit) {
  EXPECT_THAT(MessageOf(Append(DType::kUint8, int64_t{300})), HasSubstr("300 does not fit UINT8"));
  EXPECT_FALSE(Append(DType::kUint8, int64_t{-1}).ok());
  EXPECT_FALSE(Append(DType::kInt64, std::numeric_limits<uint64_t>::max()).ok());
  EXPECT_FALSE(Append(DType::kInt64, 9223372036854775808.0).ok());
  EXPECT_FALSE(Append(DType::kUint64, 18446744073709551616.0).ok());
  EXPECT_THAT(MessageOf(Append(DType::kInt32, 1.5)), HasSubstr("1.5 is not a whole number"));
  EXPECT_FALSE(Append(DType::kInt32, std::numeric_limits<double>::quiet_NaN()).ok());
  EXPECT_FALSE(Append(DType::kBool, int64_t{2}).ok());
  EXPECT_THAT(MessageOf(Append(DType::kFp16, 1e6)), HasSubstr("does not fit FP16"));
  EXPECT_FALSE(Append(DType::kFp32, 1e300).ok());
  EXPECT_FALSE(Append(DType::kInvalid, int64_t{1}).ok());
}

TEST(ArrayTest, InfinityIsAValue) {
  const double infinity = std::numeric_limits<double>::infinity();
  for (const DType dtype : {DType::kFp16, DType::kBf16, DType::kFp32, DType::kFp64}) {
    EXPECT_EQ(GetElement(Of(dtype, {-infinity}), 0), Element(-infinity)) << Name(dtype);
  }
}

TEST(ArrayTest, CastsFloat64ToFloat32) {
  const auto cast = Cast(Of(DType::kFp64, {0.1, -2.0}), DType::kFp32);
  ASSERT_TRUE(cast.ok()) << cast.status();
  EXPECT_EQ(cast->dtype, DType::kFp32);
  EXPECT_EQ(cast->shape, (Shape{2}));
  EXPECT_EQ(GetElement(*cast, 0), Element(double{0.1F}));
}

TEST(ArrayTest, CastNamesTheElementThatDoesNotFit) {
  Array array = Of(DType::kFp64, {1.0, 2.0, 3.0, 4.5});
  array.shape = {2, 2};
  const auto cast = Cast(array, DType::kInt64);
  EXPECT_EQ(cast.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(MessageOf(cast.status()), HasSubstr("element [1, 1]: 4.5 is not a whole number"));
}

TEST(ArrayTest, GoesThroughTheApisTensorUnchanged) {
  const Array array = Of(DType::kBf16, {1.0, -2.0});
  const auto back = FromProto(ToProto(array));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->dtype, array.dtype);
  EXPECT_EQ(back->shape, array.shape);
  EXPECT_EQ(back->data, array.data);
}

TEST(ArrayTest, RefusesATensorThatDisagreesWithItself) {
  v1::Tensor tensor = ToProto(Of(DType::kFp32, {1.0, 2.0}));
  tensor.set_shape(0, 3);
  EXPECT_THAT(MessageOf(FromProto(tensor).status()), HasSubstr("8 bytes, but FP32 [3] needs 12"));
  tensor.set_shape(0, -1);
  EXPECT_EQ(FromProto(tensor).status().code(), absl::StatusCode::kInternal);
  tensor.set_shape(0, int64_t{1} << 62);
  EXPECT_EQ(FromProto(tensor).status().code(), absl::StatusCode::kInternal);
  tensor.set_shape(0, 2);
  tensor.set_dtype(static_cast<v1::DataType>(99));
  EXPECT_EQ(FromProto(tensor).status().code(), absl::StatusCode::kInternal);
  tensor.set_dtype(v1::DATA_TYPE_FP32);
  for (int i = 0; i < 100; ++i) tensor.add_shape(1);
  EXPECT_EQ(FromProto(tensor).status().code(), absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace torchferry::client
