#include "server/tensor/padding.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "server/base/status.h"

namespace torchferry::tensor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int64_t kMax = 1 << 20;

template <typename Element>
HostTensor TensorOf(DType dtype, Shape shape, std::vector<Element> values) {
  const auto owner = std::make_shared<const std::vector<Element>>(std::move(values));
  return {dtype, std::move(shape), std::as_bytes(std::span(*owner)), owner};
}

template <typename Element>
std::vector<Element> ValuesOf(const HostTensor& tensor) {
  std::vector<Element> values(tensor.bytes.size() / sizeof(Element));
  std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

std::vector<std::byte> Element(DType dtype, double value) { return ElementOf(dtype, value).value(); }

// ids [rows, length] filled up with 7, a mask [rows, length], both INT64.
PadPlan Plan() {
  PadPlan plan;
  plan.sizes = {4, 8};
  plan.inputs = {{.name = "ids", .dtype = DType::kInt64, .dimension = 1, .fill = Element(DType::kInt64, 7)}};
  plan.mask = {.name = "mask", .dtype = DType::kInt64, .dimension = 1, .fill = Element(DType::kInt64, 0)};
  plan.mask_shape = {kAnyDim, kAnyDim};
  plan.one = Element(DType::kInt64, 1);
  return plan;
}

using Inputs = std::map<std::string, HostTensor>;

TEST(PaddingTest, FillsUpToTheNextSizeAndMakesTheMask) {
  Inputs inputs = {{"ids", TensorOf<int64_t>(DType::kInt64, {2, 3}, {1, 2, 3, 4, 5, 6})}};
  const absl::StatusOr<PaddedLength> length = PadInputs(Plan(), kMax, nullptr, inputs);
  ASSERT_TRUE(length.ok()) << length.status();
  EXPECT_EQ(length->own, 3);
  EXPECT_EQ(length->padded, 4);
  EXPECT_THAT(inputs["ids"].shape, ElementsAre(2, 4));
  EXPECT_THAT(ValuesOf<int64_t>(inputs["ids"]), ElementsAre(1, 2, 3, 7, 4, 5, 6, 7));
  EXPECT_THAT(inputs["mask"].shape, ElementsAre(2, 4));
  EXPECT_THAT(ValuesOf<int64_t>(inputs["mask"]), ElementsAre(1, 1, 1, 0, 1, 1, 1, 0));
}

TEST(PaddingTest, AMaskOfTheRequestIsFilledUpWithZeros) {
  Inputs inputs = {{"ids", TensorOf<int64_t>(DType::kInt64, {1, 3}, {1, 2, 3})},
                   {"mask", TensorOf<int64_t>(DType::kInt64, {1, 3}, {0, 1, 1})}};
  ASSERT_TRUE(PadInputs(Plan(), kMax, nullptr, inputs).ok());
  EXPECT_THAT(ValuesOf<int64_t>(inputs["mask"]), ElementsAre(0, 1, 1, 0));
}

TEST(PaddingTest, ALongerRequestKeepsItsLengthAndGetsAMask) {
  Inputs inputs = {{"ids", TensorOf<int64_t>(DType::kInt64, {1, 9}, std::vector<int64_t>(9, 3))}};
  const absl::StatusOr<PaddedLength> length = PadInputs(Plan(), kMax, nullptr, inputs);
  ASSERT_TRUE(length.ok());
  EXPECT_EQ(length->own, length->padded);
  EXPECT_THAT(inputs["ids"].shape, ElementsAre(1, 9));
  EXPECT_THAT(ValuesOf<int64_t>(inputs["mask"]), ::testing::Each(1));
}

TEST(PaddingTest, ADimensionInTheMiddleIsFilledUpRunByRun) {
  PadPlan plan = Plan();
  plan.inputs = {{.name = "ids", .dtype = DType::kFp32, .dimension = 1, .fill = Element(DType::kFp32, 0.5)}};
  plan.sizes = {2};
  Inputs inputs = {{"ids", TensorOf<float>(DType::kFp32, {2, 1, 2}, {1, 2, 3, 4})}};
  ASSERT_TRUE(PadInputs(plan, kMax, nullptr, inputs).ok());
  EXPECT_THAT(inputs["ids"].shape, ElementsAre(2, 2, 2));
  EXPECT_THAT(ValuesOf<float>(inputs["ids"]), ElementsAre(1, 2, 0.5, 0.5, 3, 4, 0.5, 0.5));
  const HostTensor cut = CutTo(inputs["ids"], 1, 1);
  EXPECT_THAT(cut.shape, ElementsAre(2, 1, 2));
  EXPECT_THAT(ValuesOf<float>(cut), ElementsAre(1, 2, 3, 4));
}

TEST(PaddingTest, DifferentLengthsAreRefused) {
  Inputs inputs = {{"ids", TensorOf<int64_t>(DType::kInt64, {1, 3}, {1, 2, 3})},
                   {"mask", TensorOf<int64_t>(DType::kInt64, {1, 2}, {1, 1})}};
  const absl::Status status = PadInputs(Plan(), kMax, nullptr, inputs).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(base::MessageOf(status), HasSubstr("\"ids\" has 3, \"mask\" has 2"));
}

TEST(PaddingTest, WhatIsNotAsThePlanSaysIsLeftAsItIs) {
  const auto is_left = [](HostTensor ids) {
    Inputs inputs = {{"ids", std::move(ids)}};
    const absl::StatusOr<PaddedLength> length = PadInputs(Plan(), kMax, nullptr, inputs);
    return length.ok() && length->padded == 0 && inputs.size() == 1;
  };
  EXPECT_TRUE(is_left(TensorOf<int64_t>(DType::kInt64, {3}, {1, 2, 3})));             // no rows
  EXPECT_TRUE(is_left(TensorOf<int64_t>(DType::kInt64, {1, 0}, {})));                 // no length
  EXPECT_TRUE(is_left(TensorOf<int64_t>(DType::kInt64, {1, 3}, {1, 2})));             // too few bytes
  EXPECT_TRUE(is_left(TensorOf<int64_t>(DType::kInt64, {1, -3}, {1, 2, 3})));         // no shape
  EXPECT_TRUE(is_left(TensorOf<int32_t>(DType::kInt32, {1, 3}, {1, 2, 3})));          // another dtype
  EXPECT_TRUE(is_left(TensorOf<int64_t>(DType::kInt64, {int64_t{1} << 62, 4}, {})));  // no such size
}

TEST(PaddingTest, WhatWouldBeTooLargeIsRefusedBeforeItIsMade) {
  PadPlan plan = Plan();
  plan.sizes = {1 << 20};
  Inputs inputs = {{"ids", TensorOf<int64_t>(DType::kInt64, {1000, 1}, std::vector<int64_t>(1000, 1))}};
  absl::Status status = PadInputs(plan, kMax, nullptr, inputs).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(base::MessageOf(status), HasSubstr("from length 1 to 1048576"));
  int64_t asked = 0;
  const auto refuse = [&asked](int64_t bytes) {
    asked = bytes;
    return absl::ResourceExhaustedError("no room");
  };
  status = PadInputs(plan, std::numeric_limits<int64_t>::max(), refuse, inputs).status();
  EXPECT_EQ(base::MessageOf(status), "no room");
  EXPECT_EQ(asked, 2 * 1000 * (int64_t{8} << 20));
}

TEST(PaddingTest, ElementsAreThoseThatTheTypeHas) {
  EXPECT_EQ(Element(DType::kInt8, -1), std::vector<std::byte>({std::byte{0xFF}}));
  EXPECT_EQ(Element(DType::kFp16, 1), std::vector<std::byte>({std::byte{0}, std::byte{0x3C}}));
  EXPECT_EQ(Element(DType::kBf16, 1), std::vector<std::byte>({std::byte{0x80}, std::byte{0x3F}}));
  EXPECT_FALSE(ElementOf(DType::kUint8, -1).has_value());
  EXPECT_FALSE(ElementOf(DType::kUint8, 256).has_value());
  EXPECT_FALSE(ElementOf(DType::kInt64, 9.3e18).has_value());
  EXPECT_FALSE(ElementOf(DType::kInt32, 0.5).has_value());
  EXPECT_FALSE(ElementOf(DType::kFp32, 1e39).has_value());
  EXPECT_FALSE(ElementOf(DType::kFp64, std::numeric_limits<double>::quiet_NaN()).has_value());
  EXPECT_FALSE(ElementOf(DType::kComplex64, 0).has_value());
}

}  // namespace
}  // namespace torchferry::tensor
