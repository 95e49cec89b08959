#include "client/tensor/array_proto.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/base/status.h"

namespace torchferry::client {
namespace {

using ::testing::HasSubstr;

Array Pair(tensor::DType dtype) {
  Array array{dtype, {2}, {}};
  EXPECT_TRUE(AppendElement(1.0, &array).ok());
  EXPECT_TRUE(AppendElement(-2.0, &array).ok());
  return array;
}

TEST(ArrayProtoTest, GoesThroughTheApisTensorUnchanged) {
  const Array array = Pair(tensor::DType::kBf16);
  const auto back = FromProto(ToProto(array));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->dtype, array.dtype);
  EXPECT_EQ(back->shape, array.shape);
  EXPECT_EQ(back->data, array.data);
}

TEST(ArrayProtoTest, RefusesATensorThatDisagreesWithItself) {
  v1::Tensor tensor = ToProto(Pair(tensor::DType::kFp32));
  tensor.set_shape(0, 3);
  EXPECT_THAT(base::MessageOf(FromProto(tensor).status()), HasSubstr("8 bytes, but FP32 [3] needs 12"));
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
