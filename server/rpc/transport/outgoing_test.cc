#include "server/rpc/transport/outgoing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <numeric>

#include "server/rpc/test_messages.h"
#include "torchferry/v1/inference.pb.h"

namespace torchferry::rpc {
namespace {

std::shared_ptr<std::vector<std::byte>> Bytes(size_t size) {
  auto bytes = std::make_shared<std::vector<std::byte>>(size);
  for (size_t i = 0; i < size; ++i) (*bytes)[i] = static_cast<std::byte>(i * 7 % 251);
  return bytes;
}

std::string Text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// As PredictStreamResponse { request_id: "id" response { model_name: "m" outputs { "y": bytes } execution { … } } }.
OutgoingMessage Nested(const std::shared_ptr<std::vector<std::byte>>& bytes) {
  OutgoingMessage message;
  message.AddString(v1::PredictStreamResponse::kRequestIdFieldNumber, "id");
  message.AddMessage(v1::PredictStreamResponse::kResponseFieldNumber, [&] {
    v1::PredictResponse head;
    head.set_model_name("m");
    message.Add(head);
    message.AddMessage(v1::PredictResponse::kOutputsFieldNumber, [&] {
      message.AddString(1, "y");
      message.AddMessage(2, [&] { message.AddBytes(v1::Tensor::kDataFieldNumber, *bytes, bytes); });
    });
    message.AddMessage(v1::PredictResponse::kExecutionFieldNumber, [&] {
      message.AddNumber(v1::Execution::kBatchRowsFieldNumber, 300);
      message.AddDouble(v1::Execution::kQueueSecondsFieldNumber, -0.625);
    });
  });
  return message;
}

TEST(OutgoingMessageTest, IsWhatProtobufWouldHaveMade) {
  for (const size_t size : {size_t{0}, size_t{1}, size_t{127}, size_t{128}, OutgoingMessage::kSharedBytes - 1,
                            OutgoingMessage::kSharedBytes, size_t{1} << 21}) {
    const auto bytes = Bytes(size);
    OutgoingMessage message = Nested(bytes);
    const size_t length = message.size();
    grpc::ByteBuffer sent = std::move(message).Take();
    EXPECT_EQ(sent.Length(), length) << size;
    v1::PredictStreamResponse read;
    ASSERT_TRUE(ReadBack(std::move(sent), read)) << size;
    EXPECT_EQ(read.request_id(), "id");
    EXPECT_EQ(read.response().model_name(), "m");
    EXPECT_EQ(read.response().outputs().at("y").data(), Text(*bytes)) << size;
    EXPECT_EQ(read.response().execution().batch_rows(), 300);
    EXPECT_EQ(read.response().execution().queue_seconds(), -0.625);
  }
}

TEST(OutgoingMessageTest, NumbersAreWhatProtobufReads) {
  constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  const std::vector<int64_t> numbers = {0, 1, -1, 127, 128, 1 << 20, kLeast, kMax};
  OutgoingMessage message;
  message.AddNumbers(v1::Tensor::kShapeFieldNumber, numbers);
  message.AddNumber(v1::Tensor::kDtypeFieldNumber, v1::DATA_TYPE_FP32);
  v1::Tensor tensor;
  ASSERT_TRUE(ReadBack(std::move(message), tensor));
  EXPECT_THAT(tensor.shape(), testing::ElementsAreArray(numbers));
  EXPECT_EQ(tensor.dtype(), v1::DATA_TYPE_FP32);
  for (const int64_t number : numbers) {
    OutgoingMessage one;
    one.AddNumber(v1::PredictResponse::kModelVersionFieldNumber, number);
    v1::PredictResponse read;
    ASSERT_TRUE(ReadBack(std::move(one), read));
    EXPECT_EQ(read.model_version(), number);
  }
}

TEST(OutgoingMessageTest, LongBytesAreSentFromWhereTheyLie) {
  const auto bytes = Bytes(OutgoingMessage::kSharedBytes);
  const std::weak_ptr<std::vector<std::byte>> seen = bytes;
  {
    const grpc::ByteBuffer sent = Nested(bytes).Take();
    EXPECT_EQ(bytes.use_count(), 2);
    std::vector<grpc::Slice> slices;
    ASSERT_TRUE(sent.Dump(&slices).ok());
    EXPECT_TRUE(std::any_of(slices.begin(), slices.end(), [&](const grpc::Slice& slice) {
      return slice.begin() == reinterpret_cast<const uint8_t*>(bytes->data());
    }));
  }
  EXPECT_EQ(bytes.use_count(), 1);  // let go with the message
}

TEST(OutgoingMessageTest, BytesWithoutAnOwnerAreCopied) {
  const auto bytes = Bytes(OutgoingMessage::kSharedBytes);
  OutgoingMessage message;
  message.AddBytes(v1::Tensor::kDataFieldNumber, *bytes, nullptr);
  grpc::ByteBuffer sent = std::move(message).Take();
  std::fill(bytes->begin(), bytes->end(), std::byte{1});
  v1::Tensor read;
  ASSERT_TRUE(ReadBack(std::move(sent), read));
  EXPECT_EQ(read.data(), Text(*Bytes(OutgoingMessage::kSharedBytes)));
}

TEST(OutgoingMessageTest, AnEmptyMessageIsOne) {
  v1::Tensor read;
  EXPECT_TRUE(ReadBack(OutgoingMessage(), read));
  EXPECT_TRUE(ReadBack(Serialized(v1::Tensor()), read));
}

}  // namespace
}  // namespace torchferry::rpc
