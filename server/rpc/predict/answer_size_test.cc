#include "server/rpc/predict/answer_size.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "server/base/status.h"

namespace torchferry::rpc {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

model::Outputs Outputs() {
  static constexpr std::byte kBytes[16] = {};
  return {{"a", {tensor::DType::kFp32, {1}, std::span(kBytes).first(4), nullptr}},
          {"bb", {tensor::DType::kFp32, {4}, kBytes, nullptr}}};
}

TEST(AnswerSizeTest, ItIsTheSumOfNamesAndBytes) {
  EXPECT_EQ(LeastAnswerBytes({}), 0U);
  EXPECT_EQ(LeastAnswerBytes(Outputs()), 1U + 4 + 2 + 16);
}

TEST(AnswerSizeTest, OneByteMoreThanTheLimitIsRefusedByTheLargestOutput) {
  EXPECT_TRUE(CheckAnswerSize({}, 0).ok());
  EXPECT_TRUE(CheckAnswerSize(Outputs(), 23).ok());
  const absl::Status status = CheckAnswerSize(Outputs(), 22);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(base::MessageOf(status), AllOf(HasSubstr("23 bytes"), HasSubstr("output \"bb\" 16"),
                                             HasSubstr("at most 22"), HasSubstr("--max-message-mib")));
}

TEST(AnswerSizeTest, SoIsAMessageThatIsLargerThanItsOutputs) {
  EXPECT_TRUE(CheckMessageSize(Outputs(), 40, 40).ok());
  EXPECT_THAT(base::MessageOf(CheckMessageSize(Outputs(), 41, 40)),
              AllOf(HasSubstr("41 bytes"), HasSubstr("output \"bb\" 16"), HasSubstr("at most 40")));
  EXPECT_THAT(base::MessageOf(CheckMessageSize({}, 41, 40)),
              AllOf(HasSubstr("41 bytes"), HasSubstr("--max-message-mib")));
}

}  // namespace
}  // namespace torchferry::rpc
