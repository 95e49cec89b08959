#include "server/rpc/torchferry_v1/codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "server/base/status.h"
#include "server/rpc/test_messages.h"

namespace torchferry::rpc {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Pair {
  tensor::DType ours;
  v1::DataType wire;
};
using enum tensor::DType;
constexpr Pair kOnTheWire[] = {
    {kBool, v1::DATA_TYPE_BOOL},     {kUint8, v1::DATA_TYPE_UINT8},   {kUint16, v1::DATA_TYPE_UINT16},
    {kUint32, v1::DATA_TYPE_UINT32}, {kUint64, v1::DATA_TYPE_UINT64}, {kInt8, v1::DATA_TYPE_INT8},
    {kInt16, v1::DATA_TYPE_INT16},   {kInt32, v1::DATA_TYPE_INT32},   {kInt64, v1::DATA_TYPE_INT64},
    {kFp16, v1::DATA_TYPE_FP16},     {kBf16, v1::DATA_TYPE_BF16},     {kFp32, v1::DATA_TYPE_FP32},
    {kFp64, v1::DATA_TYPE_FP64},     {kBytes, v1::DATA_TYPE_BYTES}};
constexpr tensor::DType kNotOnTheWire[] = {kFp8E4M3, kFp8E5M2, kComplex64, kComplex128};

v1::PredictRequest Message() {
  v1::PredictRequest message;
  message.set_model_name("m");
  message.set_model_version(3);
  message.add_outputs("b");
  message.add_outputs("a");
  v1::Tensor& x = (*message.mutable_inputs())["x"];
  x.set_dtype(v1::DATA_TYPE_INT16);
  x.add_shape(2);
  x.add_shape(3);
  x.set_data("0123456789ab");
  return message;
}

Answer AnswerOf(tensor::DType dtype) {
  static constexpr char kBytes[] = "0123456789abcdef";
  Answer answer;
  answer.model = "m";
  answer.version = 3;
  answer.result.outputs = {{"y", {dtype, {2, 1}, std::as_bytes(std::span(kBytes, 16)), nullptr}}};
  return answer;
}

TEST(CodecTest, EachElementTypeHasItsNumber) {
  for (const auto& [ours, wire] : kOnTheWire) {
    EXPECT_EQ(EncodeDType(ours), wire) << Name(ours);
    EXPECT_EQ(DecodeDType(wire), ours) << Name(ours);
  }
  for (const tensor::DType dtype : kNotOnTheWire) EXPECT_EQ(EncodeDType(dtype), v1::DATA_TYPE_UNSPECIFIED);
  EXPECT_EQ(EncodeDType(kInvalid), v1::DATA_TYPE_UNSPECIFIED);
  for (const int number : {0, 15, 16, 99, -1}) EXPECT_EQ(DecodeDType(static_cast<v1::DataType>(number)), kInvalid);
}

TEST(CodecTest, ARequestIsViewed) {
  const v1::PredictRequest message = Message();
  const auto request = DecodeRequest(message);
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->version, 3);
  EXPECT_THAT(request->wanted_outputs, ElementsAre("b", "a"));
  EXPECT_EQ(request->deadline, base::kNoDeadline);
  ASSERT_EQ(request->inputs.size(), 1U);
  const tensor::HostTensor& x = request->inputs.at("x");
  EXPECT_EQ(x.dtype, kInt16);
  EXPECT_THAT(x.shape, ElementsAre(2, 3));
  EXPECT_EQ(x.bytes.size(), 12U);
  EXPECT_EQ(static_cast<const void*>(x.bytes.data()), message.inputs().at("x").data().data());
}

void ExpectRefused(const v1::PredictRequest& message, const std::string& text) {
  const absl::Status status = DecodeRequest(message).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
  EXPECT_THAT(base::MessageOf(status), HasSubstr(text));
}

TEST(CodecTest, WhatDoesNotAgreeWithItselfIsRefused) {
  v1::PredictRequest message = Message();
  message.add_outputs("b");
  ExpectRefused(message, "output \"b\" is asked for twice");
  message = Message();
  (*message.mutable_inputs())["x"].set_shape(0, -1);
  ExpectRefused(message, "shape [-1, 3] has a negative dimension");
  message = Message();
  (*message.mutable_inputs())["x"].set_shape(0, 3);
  ExpectRefused(message, "input \"x\" has 12 bytes of data; expected 18 for INT16 of shape [3, 3]");
  message = Message();
  message.set_model_version(-1);
  ExpectRefused(message, "model_version is -1; expected a positive integer, or 0");
}

TEST(CodecTest, WhatExceedsALimitIsRefused) {
  v1::PredictRequest message = Message();
  for (int i = 0; i < 4096; ++i) (*message.mutable_inputs())["x" + std::to_string(i)] = message.inputs().at("x");
  ExpectRefused(message, "the request has 4097 inputs; expected at most 4096");
  message = Message();
  for (int i = 0; i < 4095; ++i) message.add_outputs(std::to_string(i));
  ExpectRefused(message, "the request has 4097 outputs; expected at most 4096");
  message = Message();
  for (int i = 0; i < 63; ++i) (*message.mutable_inputs())["x"].add_shape(1);
  ExpectRefused(message, "input \"x\" has 65 dimensions; expected at most 64");
  message = Message();
  message.set_request_id(std::string(4097, 'i'));
  ExpectRefused(message, "the request's id has 4097 bytes; expected at most 4096");
  message = Message();
  message.add_outputs(std::string(1025, 'o'));
  ExpectRefused(message, "the name of an output has 1025 bytes");
  message = Message();
  (*message.mutable_inputs())[std::string(1025, 'i')] = message.inputs().at("x");
  ExpectRefused(message, "the name of an input has 1025 bytes");
}

TEST(CodecTest, AScalarHasNoDimension) {
  v1::PredictRequest message = Message();
  (*message.mutable_inputs())["x"].clear_shape();
  (*message.mutable_inputs())["x"].set_data("01");
  EXPECT_TRUE(DecodeRequest(message)->inputs.at("x").shape.empty());
}

TEST(CodecTest, AnInputWithoutAnElementTypeIsRefusedByName) {
  for (const int number : {0, 15, 99, -1}) {
    v1::PredictRequest message = Message();
    (*message.mutable_inputs())["x"].set_dtype(static_cast<v1::DataType>(number));
    const absl::Status status = DecodeRequest(message).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(base::MessageOf(status), AllOf(HasSubstr("input \"x\""), HasSubstr("dtype " + std::to_string(number))));
  }
}

TEST(CodecTest, AnAnswerHasItsBytesAndHowItRan) {
  Answer answer = AnswerOf(kFp64);
  answer.result.execution = {"cuda:1", true, tensor::FallbackReason::kAbsent, 4, 0.25, 0.5};
  OutgoingMessage bytes;
  ASSERT_TRUE(EncodeAnswer(answer, "id", bytes).ok());
  v1::PredictResponse message;
  ASSERT_TRUE(ReadBack(std::move(bytes), message));
  EXPECT_EQ(message.model_name(), "m");
  EXPECT_EQ(message.model_version(), 3);
  EXPECT_EQ(message.request_id(), "id");
  ASSERT_EQ(message.outputs_size(), 1);
  const v1::Tensor& y = message.outputs().at("y");
  EXPECT_EQ(y.dtype(), v1::DATA_TYPE_FP64);
  EXPECT_THAT(y.shape(), ElementsAre(2, 1));
  EXPECT_EQ(y.data(), "0123456789abcdef");
  EXPECT_EQ(message.execution().device(), "cuda:1");
  EXPECT_TRUE(message.execution().fallback());
  EXPECT_EQ(message.execution().fallback_reason(), "absent");
  EXPECT_EQ(message.execution().batch_rows(), 4);
  EXPECT_EQ(message.execution().queue_seconds(), 0.25);
  EXPECT_EQ(message.execution().compute_seconds(), 0.5);
}

TEST(CodecTest, AnOutputThatHasNoFormOnTheWireIsInternal) {
  for (const tensor::DType dtype : kNotOnTheWire) {
    OutgoingMessage message;
    const absl::Status status = EncodeAnswer(AnswerOf(dtype), "", message);
    EXPECT_EQ(status.code(), absl::StatusCode::kInternal) << Name(dtype);
    EXPECT_THAT(base::MessageOf(status), AllOf(HasSubstr("output \"y\""), HasSubstr("cast it in the model")));
  }
  OutgoingMessage message;
  EXPECT_THAT(base::MessageOf(EncodeAnswer(AnswerOf(kComplex64), "", message)), HasSubstr("COMPLEX64"));
}

TEST(CodecTest, EachStateOfAVersionHasItsNumber) {
  using registry::VersionState;
  const struct {
    VersionState ours;
    v1::ModelState wire;
  } kStates[] = {
      {VersionState::kPending, v1::MODEL_STATE_PENDING}, {VersionState::kLoading, v1::MODEL_STATE_LOADING},
      {VersionState::kReady, v1::MODEL_STATE_READY},     {VersionState::kUnloading, v1::MODEL_STATE_UNLOADING},
      {VersionState::kFailed, v1::MODEL_STATE_FAILED},   {VersionState::kUnloaded, v1::MODEL_STATE_UNLOADED},
      {VersionState::kSuspect, v1::MODEL_STATE_SUSPECT}};
  for (const auto& [ours, wire] : kStates) {
    registry::VersionStatus status;
    status.state = ours;
    v1::ModelVersion message;
    EncodeVersion(status, message);
    EXPECT_EQ(message.state(), wire) << Name(ours);
  }
}

TEST(CodecTest, AFailedVersionSaysWhy) {
  registry::VersionStatus status;
  status.model = "m";
  status.version = 7;
  status.state = registry::VersionState::kFailed;
  status.error = absl::DataLossError("it is cut short");
  v1::ModelVersion message;
  EncodeVersion(status, message);
  EXPECT_EQ(message.model_name(), "m");
  EXPECT_EQ(message.model_version(), 7);
  EXPECT_EQ(message.error_code(), 15);  // gRPC's DATA_LOSS
  EXPECT_EQ(message.error_message(), "it is cut short");
  EXPECT_EQ(message.inputs_size(), 0);
}

}  // namespace
}  // namespace torchferry::rpc
