#include "server/tensor/signature.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

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

TEST(BindInputsTest, HoldsSizesAgainstTheExportsLimits) {
  Signature s = Batched();
  SizeLimit limit;
  limit.dimension = 1;
  limit.max = 8;
  limit.symbol = "length";
  for (size_t i : {0, 1}) {
    s.inputs[i].shape = Shape{kAnyDim, kAnyDim};
    s.inputs[i].size_limits = {limit};
  }
  const auto of = [](int64_t x, int64_t mask) {
    return std::map<std::string, HostTensor>{{"x", Tensor(DType::kFp32, {2, x})},
                                             {"mask", Tensor(DType::kBool, {2, mask})}};
  };
  EXPECT_TRUE(BindInputs(s, of(8, 8)).ok());
  EXPECT_THAT(ErrorOf(s, of(9, 9)), AllOf(HasSubstr("\"x\""), HasSubstr("dimension 1 is 9"), HasSubstr("0 to 8")));
  EXPECT_THAT(ErrorOf(s, of(5, 1)), AllOf(HasSubstr("\"mask\""), HasSubstr("expected 5"), HasSubstr("in \"x\"")));
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

HostTensor Text(const std::vector<std::string>& elements, Shape shape) {
  auto bytes = std::make_shared<std::string>();
  for (const std::string& element : elements) {
    const auto length = static_cast<uint32_t>(element.size());
    bytes->append(reinterpret_cast<const char*>(&length), sizeof(length)).append(element);
  }
  return {DType::kBytes, std::move(shape), std::as_bytes(std::span(*bytes)), bytes};
}

TEST(BindInputsTest, TakesTextWhereTheModelDoes) {
  Signature s;
  s.inputs = {{"texts", ArgumentKind::kStringList, DType::kBytes, std::nullopt, false},
              {"mode", ArgumentKind::kString, DType::kBytes, std::nullopt, true}};
  const auto bound = BindInputs(s, {{"texts", Text({"a", "", "bc"}, {3})}, {"mode", Text({"fast"}, {1})}});
  ASSERT_TRUE(bound.ok()) << bound.status();
  EXPECT_EQ(TextElements(bound->values[0][0]), (std::vector<std::string_view>{"a", "", "bc"}));
  EXPECT_EQ(TextElements(bound->values[1][0]), (std::vector<std::string_view>{"fast"}));
  EXPECT_THAT(ErrorOf(s, {{"texts", Tensor(DType::kFp32, {1})}}), HasSubstr("has dtype FP32; expected BYTES"));
  s.inputs = {{"x", ArgumentKind::kTensor, DType::kInvalid, std::nullopt, false}};
  EXPECT_THAT(ErrorOf(s, {{"x", Text({"a"}, {1})}}), HasSubstr("takes numbers"));
}

TEST(BindInputsTest, TextThatDisagreesWithItselfIsRefused) {
  Signature s;
  s.inputs = {{"t", ArgumentKind::kStringList, DType::kBytes, std::nullopt, false}};
  const auto error = [&](HostTensor tensor) { return ErrorOf(s, {{"t", std::move(tensor)}}); };
  EXPECT_THAT(error(Text({"a"}, {2})), HasSubstr("ends within element 1"));
  EXPECT_THAT(error(Text({"a", "b"}, {1})), HasSubstr("5 bytes of data more than its 1 elements"));
  EXPECT_THAT(error(Text({"a\xff"}, {1})), HasSubstr("element 0 is no UTF-8"));
  HostTensor cut = Text({"abc"}, {1});
  cut.bytes = cut.bytes.first(6);
  EXPECT_THAT(error(cut), HasSubstr("ends within element 0"));
  cut.bytes = cut.bytes.first(3);
  EXPECT_THAT(error(cut), HasSubstr("ends within element 0"));
  EXPECT_THAT(error({DType::kBytes, {65'537}, std::span(Zeros()), nullptr}), HasSubstr("at most 65536"));
  EXPECT_THAT(error({DType::kBytes, {-1}, {}, nullptr}), HasSubstr("negative dimension"));
}

TEST(BindInputsTest, ADictTakesWhatBeginsWithItsName) {
  Signature s;
  s.inputs = {{"batch", ArgumentKind::kTensorDict, DType::kInvalid, std::nullopt, false},
              {"batch_size", ArgumentKind::kInt, DType::kInt64, std::nullopt, true}};
  const auto bound = BindInputs(s, {{"batch_Image", Tensor(DType::kFp32, {2})},
                                    {"batch_mask", Tensor(DType::kBool, {3})},
                                    {"batch_size", Tensor(DType::kInt64, {})}});
  ASSERT_TRUE(bound.ok()) << bound.status();
  EXPECT_EQ(bound->keys.at(0), (std::vector<std::string>{"Image", "mask"}));
  EXPECT_EQ(bound->values[0][1].dtype, DType::kBool);
  EXPECT_EQ(bound->values[1].size(), 1U);
  EXPECT_THAT(ErrorOf(s, {}), HasSubstr("\"batch_KEY\" is missing"));
  EXPECT_THAT(ErrorOf(s, {{"batch_", Tensor(DType::kFp32, {2})}, {"batch_a", Tensor(DType::kFp32, {2})}}),
              HasSubstr("unknown input \"batch_\""));
}

TEST(BindInputsTest, WhatIsOptionalAsAWholeIsThereAsAWhole) {
  Signature s;
  s.inputs = {{"pair_0", ArgumentKind::kTensor, DType::kInvalid, std::nullopt, true, 0, 1},
              {"pair_1", ArgumentKind::kTensor, DType::kInvalid, std::nullopt, true, 0, 1},
              {"pair_2", ArgumentKind::kOptionalTensor, DType::kInvalid, std::nullopt, true, 0, 1}};
  const HostTensor x = Tensor(DType::kFp32, {2});
  EXPECT_TRUE(BindInputs(s, {}).ok());
  EXPECT_TRUE(BindInputs(s, {{"pair_0", x}, {"pair_1", x}}).ok());
  EXPECT_THAT(ErrorOf(s, {{"pair_0", x}}), AllOf(HasSubstr("\"pair_1\" is missing"), HasSubstr("\"pair_0\"")));
  EXPECT_THAT(ErrorOf(s, {{"pair_2", x}}), HasSubstr("\"pair_0\" is missing"));
}

TEST(BindInputsTest, RowsMayBeInAnotherDimension) {
  Signature s = Batched();
  s.inputs.push_back({"h", ArgumentKind::kTensor, DType::kFp32, Shape{2, kAnyDim, 4}, false, 1});
  const auto with = [](Shape x, Shape h) {
    return std::map<std::string, HostTensor>{{"x", Tensor(DType::kFp32, std::move(x))},
                                             {"h", Tensor(DType::kFp32, std::move(h))}};
  };
  const auto bound = BindInputs(s, with({3, 4}, {2, 3, 4}));
  ASSERT_TRUE(bound.ok()) << bound.status();
  EXPECT_EQ(bound->rows, 3);
  EXPECT_THAT(ErrorOf(s, with({3, 4}, {2, 1, 4})), HasSubstr("disagree on the rows"));
}

TEST(BindInputsTest, AListIsAlsoCalledAsTorchExportCallsIt) {
  Signature s;
  s.inputs = {{"xs", ArgumentKind::kTensorList, DType::kFp32, std::nullopt, false},
              {"xs_9", ArgumentKind::kTensor, DType::kFp32, std::nullopt, true}};
  const HostTensor x = Tensor(DType::kFp32, {2});
  const auto bound = BindInputs(s, {{"xs_0", x}, {"xs__1", x}, {"xs_9", x}});
  ASSERT_TRUE(bound.ok()) << bound.status();
  EXPECT_EQ(bound->values[0].size(), 2U);
  EXPECT_EQ(bound->values[1].size(), 1U);
  EXPECT_THAT(ErrorOf(s, {{"xs_0", x}, {"xs", x}}), HasSubstr("as another input is"));
}

}  // namespace
}  // namespace torchferry::tensor
