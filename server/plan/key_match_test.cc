#include "server/plan/key_match.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/base/status.h"

namespace torchferry::plan {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::vector<ArchitectureTensor> kArchitecture = {
    {"fc.weight", tensor::DType::kFp32, {2, 3}, true},
    {"fc.bias", tensor::DType::kFp32, {2}, true},
    {"steps", tensor::DType::kInt64, {}, false},
};

TEST(KeyMatchTest, WhatFitsNeedsNoWords) {
  const auto decisions = MatchKeys(kArchitecture,
                                   {{"steps", tensor::DType::kInt64, {}},
                                    {"fc.bias", tensor::DType::kFp32, {2}},
                                    {"fc.weight", tensor::DType::kFp32, {2, 3}}},
                                   /*strict=*/true);
  ASSERT_TRUE(decisions.ok());
  EXPECT_THAT(*decisions, IsEmpty());
}

TEST(KeyMatchTest, StrictListsMissingAndUnexpectedKeys) {
  const auto wrong =
      MatchKeys(kArchitecture,
                {{"module.fc.weight", tensor::DType::kFp32, {2, 3}}, {"fc.bias", tensor::DType::kFp32, {2}}}, true);
  EXPECT_EQ(wrong.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(
      base::MessageOf(wrong.status()),
      AllOf(HasSubstr("Missing: fc.weight."), HasSubstr("Unexpected: module.fc.weight."), HasSubstr("strict: false")));
  EXPECT_THAT(base::MessageOf(MatchKeys(kArchitecture, {}, true).status()), HasSubstr("Unexpected: none"));
}

TEST(KeyMatchTest, NotStrictReportsAndGoesOn) {
  const auto decisions =
      MatchKeys(kArchitecture, {{"x", tensor::DType::kFp32, {1}}, {"fc.bias", tensor::DType::kFp16, {2}}}, false);
  ASSERT_TRUE(decisions.ok()) << decisions.status();
  EXPECT_THAT(*decisions,
              ElementsAre(AllOf(HasSubstr("parameters that the state_dict lacks"), HasSubstr("fc.weight")),
                          AllOf(HasSubstr("buffers that the state_dict lacks"), HasSubstr("steps")),
                          AllOf(HasSubstr("ignored"), HasSubstr("x")), HasSubstr("fc.bias (FP16 to FP32)")));
}

TEST(KeyMatchTest, AnotherShapeIsAnErrorEvenThen) {
  const auto wrong = MatchKeys(kArchitecture, {{"fc.weight", tensor::DType::kFp32, {3, 2}}}, false);
  EXPECT_THAT(base::MessageOf(wrong.status()),
              AllOf(HasSubstr("\"fc.weight\""), HasSubstr("[3, 2]"), HasSubstr("[2, 3]")));
}

TEST(KeyMatchTest, OfThousandsOfKeysSomeAreShown) {
  std::vector<StateDictTensor> many;
  for (int i = 0; i < 5000; ++i) many.push_back({"k" + std::to_string(i), tensor::DType::kFp32, {1}});
  const std::string message = base::MessageOf(MatchKeys(kArchitecture, many, true).status());
  EXPECT_THAT(message, HasSubstr("4980 more"));
  EXPECT_LT(message.size(), 1000u);
}

}  // namespace
}  // namespace torchferry::plan
