#include "client/bench/bench_answer.h"

#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <gtest/gtest.h>

namespace torchferry::client {
namespace {

std::string Answer() {
  v1::PredictResponse response;
  response.set_model_name("m");
  response.set_model_version(300);
  response.set_request_id("id");
  v1::Tensor& output = (*response.mutable_outputs())["y"];
  output.set_data(std::string(10'000, 'y'));
  response.mutable_execution()->set_device("cuda:1");
  response.mutable_execution()->set_batch_rows(5);
  response.mutable_execution()->set_queue_seconds(0.25);
  return response.SerializeAsString();
}

// In pieces of 7 bytes, as messages come from the network in pieces.
bool ReadFrom(const std::string& bytes, v1::Execution* execution) {
  google::protobuf::io::ArrayInputStream stream(bytes.data(), static_cast<int>(bytes.size()), 7);
  return ReadExecution(&stream, execution);
}

TEST(BenchAnswerTest, ReadsTheExecutionAndSkipsTheRest) {
  v1::Execution execution;
  execution.set_fallback_reason("of the answer before");
  ASSERT_TRUE(ReadFrom(Answer(), &execution));
  EXPECT_EQ(execution.device(), "cuda:1");
  EXPECT_EQ(execution.batch_rows(), 5);
  EXPECT_EQ(execution.queue_seconds(), 0.25);
  EXPECT_EQ(execution.fallback_reason(), "");
}

TEST(BenchAnswerTest, SkipsFieldsOfLaterVersions) {
  std::string bytes = Answer();
  bytes += "\x7d\x01\x02\x03\x04";                  // field 15, four bytes
  bytes += "\x79\x01\x02\x03\x04\x05\x06\x07\x08";  // field 15, eight bytes
  v1::Execution execution;
  EXPECT_TRUE(ReadFrom(bytes, &execution));
  EXPECT_EQ(execution.device(), "cuda:1");
}

TEST(BenchAnswerTest, AnAnswerWithoutOneIsEmpty) {
  v1::Execution execution;
  EXPECT_TRUE(ReadFrom("", &execution));
  EXPECT_EQ(execution.device(), "");
}

TEST(BenchAnswerTest, TellsWhatIsNoAnswer) {
  const std::string whole = Answer();
  v1::Execution execution;
  EXPECT_FALSE(ReadFrom("no answer at all", &execution));
  EXPECT_FALSE(ReadFrom(whole.substr(0, whole.size() / 2), &execution));
  EXPECT_FALSE(ReadFrom(whole.substr(0, whole.size() - 1), &execution));
}

}  // namespace
}  // namespace torchferry::client
