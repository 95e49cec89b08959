#include "server/tensor/signature.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/base/status.h"

namespace torchferry::tensor {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const std::vector<std::byte>& Zeros() {
  static const std::vector<std::byte> zeros(1 << 16);
  return zeros;
}

HostTensor Tensor(DType dtype, Shape shape) {
  const int64_t bytes = ByteCount(dtype, shape).value();
  return {dtype, std::move(shape), std::span(Zeros()).first(static_cast<size_t>(bytes)), nullptr};
}

Signature Batched() {
  Signature s;
  s.inputs = {{"x", ArgumentKind::kTensor, DType::kFp32, Shape{kAnyDim, 4}, false},
              {"mask", ArgumentKind::kOptionalTensor, DType::kBool, Shape{kAnyDim, 4}, true},
              {"n", ArgumentKind::kInt, DType::kInt64, std::nullopt, true}};
  s.max_batch_size = 8;
  return s;
}

std::string ErrorOf(const Signature& s, const std::map<std::string, HostTensor>& inputs) {
  const auto bound = BindInputs(s, inputs);
  EXPECT_FALSE(bound.ok());
  EXPECT_EQ(bound.status().code(), absl::StatusCode::kInvalidArgument);
  return base::MessageOf(bound.status());
}

TEST(BindInputsTest, OrdersInputsAndCountsRows) {
  const auto bound = BindInputs(
      Batched(),
      {{"n", Tensor(DType::kInt64, {})}, {"x", Tensor(DType::kFp32, {3, 4})}, {"mask", Tensor(DType::kBool, {3, 4})}});
  ASSERT_TRUE(bound.ok()) << bound.status();
  EXPECT_EQ(bound->rows, 3);
  ASSERT_EQ(bound->values.size(), 3u);
  EXPECT_EQ(bound->values[0][0].dtype, DType::kFp32);
  EXPECT_EQ(bound->values[2][0].dtype, DType::kInt64);
}

TEST(BindInputsTest, LeavesAnOptionalInputEmpty) {
  const auto bound = BindInputs(Batched(), {{"x", Tensor(DType::kFp32, {1, 4})}});
  ASSERT_TRUE(bound.ok()) << bound.status();
  EXPECT_TRUE(bound->values[1].empty());
}

TEST(BindInputsTest, NamesAMissingInput) {
  EXPECT_THAT(ErrorOf(Batched(), {}), AllOf(HasSubstr("\"x\" is missing"), HasSubstr("\"mask\"")));
}

TEST(BindInputsTest, NamesAnUnknownInput) {
  EXPECT_THAT(ErrorOf(Batched(), {{"x", Tensor(DType::kFp32, {1, 4})}, {"y", Tensor(DType::kFp32, {1, 4})}}),
              HasSubstr("unknown input \"y\""));
}

TEST(BindInputsTest, NamesBothDtypes) {
  EXPECT_THAT(ErrorOf(Batched(), {{"x", Tensor(DType::kFp64, {1, 4})}}),
              AllOf(HasSubstr("FP64"), HasSubstr("expected FP32")));
}

TEST(BindInputsTest, NamesAWrongRankAndAWrongDimension) {
  EXPECT_THAT(ErrorOf(Batched(), {{"x", Tensor(DType::kFp32, {4})}}), HasSubstr("expected rank 2"));
  EXPECT_THAT(ErrorOf(Batched(), {{"x", Tensor(DType::kFp32, {1, 5})}}), HasSubstr("dimension 1 is 5, expected 4"));
}

TEST(BindInputsTest, RefusesZeroTooManyAndDisagreeingRows) {
  EXPECT_THAT(ErrorOf(Batched(), {{"x", Tensor(DType::kFp32, {0, 4})}}), HasSubstr("0 rows"));
  EXPECT_THAT(ErrorOf(Batched(), {{"x", Tensor(DType::kFp32, {9, 4})}}), HasSubstr("expected 1 to 8"));
  EXPECT_THAT(ErrorOf(Batched(), {{"x", Tensor(DType::kFp32, {2, 4})}, {"mask", Tensor(DType::kBool, {3, 4})}}),
              HasSubstr("disagree"));
}

TEST(BindInputsTest, RefusesAByteCountThatDisagrees) {
  HostTensor x = Tensor(DType::kFp32, {1, 4});
  x.bytes = x.bytes.first(12);
  EXPECT_THAT(ErrorOf(Batched(), {{"x", x}}), AllOf(HasSubstr("12 bytes"), HasSubstr("expected 16")));
}

TEST(BindInputsTest, RefusesNegativeAndOverflowingDimensions) {
  HostTensor x = Tensor(DType::kFp32, {1, 4});
  x.shape = {1, -4};
  EXPECT_THAT(ErrorOf(Batched(), {{"x", x}}), AllOf(HasSubstr("\"x\""), HasSubstr("-4")));
  x.shape = {int64_t{1} << 40, int64_t{1} << 40};
  EXPECT_THAT(ErrorOf(Batched(), {{"x", x}}), HasSubstr("overflows"));
  x.shape = {int64_t{1} << 31, int64_t{1} << 31};
  EXPECT_THAT(ErrorOf(Batched(), {{"x", x}}), HasSubstr("overflows"));
}

TEST(BindInputsTest, GathersAListInOrderAndNamesAGap) {
  Signature s;
  s.inputs = {{"xs", ArgumentKind::kTensorList, DType::kInvalid, std::nullopt, false}};
  const auto bound = BindInputs(s, {{"xs__0", Tensor(DType::kFp32, {1})}, {"xs__1", Tensor(DType::kFp32, {2})}});
  ASSERT_TRUE(bound.ok()) << bound.status();
  ASSERT_EQ(bound->values[0].size(), 2u);
  EXPECT_EQ(bound->values[0][1].shape, Shape{2});
  EXPECT_THAT(ErrorOf(s, {{"xs__0", Tensor(DType::kFp32, {1})}, {"xs__2", Tensor(DType::kFp32, {1})}}),
              HasSubstr("\"xs__1\" is missing"));
}

TEST(BindInputsTest, TakesScalarsOfOneElementOnly) {
  EXPECT_THAT(ErrorOf(Batched(), {{"x", Tensor(DType::kFp32, {1, 4})}, {"n", Tensor(DType::kInt64, {2})}}),
              HasSubstr("expected [] or [1]"));
}

}  // namespace
}  // namespace torchferry::tensor
