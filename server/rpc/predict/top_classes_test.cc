#include "server/rpc/predict/top_classes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <memory>

#include "server/base/status.h"

namespace torchferry::rpc {
namespace {

using tensor::DType;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int64_t kMax = 1 << 20;

template <typename Element>
model::NamedTensor Output(DType dtype, tensor::Shape shape, std::vector<Element> values) {
  const auto owner = std::make_shared<const std::vector<Element>>(std::move(values));
  return {"y", {dtype, std::move(shape), std::as_bytes(std::span(*owner)), owner}};
}

std::vector<std::string> TextsOf(const tensor::HostTensor& tensor) {
  std::vector<std::string> texts;
  for (size_t at = 0; at < tensor.bytes.size();) {
    uint32_t length = 0;
    std::memcpy(&length, tensor.bytes.data() + at, sizeof length);
    texts.emplace_back(reinterpret_cast<const char*>(tensor.bytes.data()) + at + sizeof length, length);
    at += sizeof length + length;
  }
  return texts;
}

TEST(TopClassesTest, EachRowHasItsLargestFirst) {
  const auto output = Output<float>(DType::kFp32, {2, 3}, {0.1F, 0.7F, 0.2F, 5, -1, 5});
  const absl::StatusOr<tensor::HostTensor> top = TopClasses(output, 2, true, {"cat", "dog"}, kMax);
  ASSERT_TRUE(top.ok()) << top.status();
  EXPECT_THAT(top->shape, ElementsAre(2, 2));
  EXPECT_THAT(TextsOf(*top), ElementsAre("0.700000:1:dog", "0.200000:2", "5.000000:0:cat", "5.000000:2"));
}

TEST(TopClassesTest, WithoutRowsAllElementsAreOneList) {
  const auto output = Output<int64_t>(DType::kInt64, {2, 2}, {4, 9, -7, 9});
  const absl::StatusOr<tensor::HostTensor> top = TopClasses(output, 10, false, {}, kMax);
  EXPECT_THAT(top->shape, ElementsAre(4));
  EXPECT_THAT(TextsOf(*top), ElementsAre("9:1", "9:3", "4:0", "-7:2"));
}

TEST(TopClassesTest, DimensionsBelowTheRowsAreFlat) {
  const auto output = Output<uint8_t>(DType::kUint8, {1, 2, 1, 2}, {1, 4, 3, 2});
  const absl::StatusOr<tensor::HostTensor> top = TopClasses(output, 1, true, {}, kMax);
  EXPECT_THAT(top->shape, ElementsAre(1, 1));
  EXPECT_THAT(TextsOf(*top), ElementsAre("4:1"));
}

TEST(TopClassesTest, HalvesAreTheNumbersThatTheyMean) {
  // -2, 1.5, the smallest subnormal, infinity
  const auto half = Output<uint16_t>(DType::kFp16, {1, 4}, {0xC000, 0x3E00, 0x0001, 0x7C00});
  EXPECT_THAT(TextsOf(*TopClasses(half, 4, true, {}, kMax)),
              ElementsAre("inf:3", "1.500000:1", "0.000000:2", "-2.000000:0"));
  const auto brain = Output<uint16_t>(DType::kBf16, {1, 2}, {0x3FC0, 0xC000});
  EXPECT_THAT(TextsOf(*TopClasses(brain, 2, true, {}, kMax)), ElementsAre("1.500000:0", "-2.000000:1"));
}

TEST(TopClassesTest, NotANumberComesLast) {
  const auto output = Output<float>(DType::kFp32, {1, 4}, {NAN, -1, NAN, 2});
  EXPECT_THAT(TextsOf(*TopClasses(output, 4, true, {}, kMax)),
              ElementsAre("2.000000:3", "-1.000000:1", ::testing::EndsWith("nan:0"), ::testing::EndsWith("nan:2")));
}

TEST(TopClassesTest, OfNothingThereIsNothing) {
  EXPECT_THAT(TopClasses(Output<float>(DType::kFp32, {0, 3}, {}), 2, true, {}, kMax)->shape, ElementsAre(0, 0));
  EXPECT_THAT(TopClasses(Output<float>(DType::kFp32, {2, 0}, {}), 2, true, {}, kMax)->shape, ElementsAre(2, 0));
  EXPECT_THAT(TextsOf(*TopClasses(Output<float>(DType::kFp32, {}, {3}), 2, true, {}, kMax)), ElementsAre("3.000000:0"));
}

TEST(TopClassesTest, WhatHasNoOrderAndWhatIsTooLongIsRefused) {
  const absl::Status boolean = TopClasses(Output<uint8_t>(DType::kBool, {1, 1}, {1}), 1, true, {}, kMax).status();
  EXPECT_EQ(boolean.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(base::MessageOf(boolean), HasSubstr("output \"y\" is BOOL"));
  const auto output = Output<float>(DType::kFp32, {1, 100}, std::vector<float>(100, 1));
  const absl::Status long_text = TopClasses(output, 100, true, {}, 1000).status();
  EXPECT_EQ(long_text.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(base::MessageOf(long_text), HasSubstr("the 100 largest elements of output \"y\""));
}

}  // namespace
}  // namespace torchferry::rpc
