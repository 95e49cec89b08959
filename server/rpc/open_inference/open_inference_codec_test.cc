#include "server/rpc/open_inference/open_inference_codec.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "server/base/status.h"
#include "server/rpc/test_messages.h"

namespace torchferry::rpc {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const base::TimePoint kNow = base::TimePoint() + std::chrono::hours(1);

// One input x; `contents` is its message as text.
inference::ModelInferRequest Message(const std::string& datatype, const std::vector<int64_t>& shape,
                                     const std::string& contents = "") {
  inference::ModelInferRequest message;
  message.set_model_name("m");
  auto& input = *message.add_inputs();
  input.set_name("x");
  input.set_datatype(datatype);
  input.mutable_shape()->Add(shape.begin(), shape.end());
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(contents, input.mutable_contents()));
  return message;
}

template <typename Element>
Element Decoded(const std::string& datatype, const std::string& contents) {
  const auto message = Message(datatype, {1}, contents);
  const auto request = DecodeInferRequest(message, kNow);
  EXPECT_TRUE(request.ok()) << request.status();
  Element element{};
  if (!request.ok()) return element;
  const auto bytes = request->inputs.at("x").bytes;
  EXPECT_EQ(bytes.size(), sizeof(element));
  std::memcpy(&element, bytes.data(), sizeof(element));
  return element;
}

void ExpectRefused(const inference::ModelInferRequest& message, absl::StatusCode code, const std::string& text) {
  const auto request = DecodeInferRequest(message, kNow);
  EXPECT_EQ(request.status().code(), code) << text;
  EXPECT_THAT(base::MessageOf(request.status()), HasSubstr(text));
}

TEST(OpenInferenceCodecTest, EachDatatypeHasItsField) {
  EXPECT_EQ(Decoded<bool>("BOOL", "bool_contents: true"), true);
  EXPECT_EQ(Decoded<int8_t>("INT8", "int_contents: -128"), -128);
  EXPECT_EQ(Decoded<int16_t>("INT16", "int_contents: 32767"), 32767);
  EXPECT_EQ(Decoded<int32_t>("INT32", "int_contents: -7"), -7);
  EXPECT_EQ(Decoded<int64_t>("INT64", "int64_contents: 1099511627776"), int64_t{1} << 40);
  EXPECT_EQ(Decoded<uint8_t>("UINT8", "uint_contents: 255"), 255);
  EXPECT_EQ(Decoded<uint16_t>("UINT16", "uint_contents: 65535"), 65535);
  EXPECT_EQ(Decoded<uint32_t>("UINT32", "uint_contents: 4294967295"), ~0U);
  EXPECT_EQ(Decoded<uint64_t>("UINT64", "uint64_contents: 18446744073709551615"), ~uint64_t{0});
  EXPECT_EQ(Decoded<float>("FP32", "fp32_contents: 0.5"), 0.5F);
  EXPECT_EQ(Decoded<double>("FP64", "fp64_contents: 0.25"), 0.25);
}

TEST(OpenInferenceCodecTest, RawBytesAreViewedNotCopied) {
  auto message = Message("BF16", {3});
  message.add_raw_input_contents("abcdef");
  const auto request = DecodeInferRequest(message, kNow);
  ASSERT_TRUE(request.ok()) << request.status();
  const tensor::HostTensor& x = request->inputs.at("x");
  EXPECT_EQ(x.dtype, tensor::DType::kBf16);
  EXPECT_EQ(static_cast<const void*>(x.bytes.data()), message.raw_input_contents(0).data());
  EXPECT_EQ(request->deadline, base::kNoDeadline);
  EXPECT_EQ(request->version, 0);
}

TEST(OpenInferenceCodecTest, TextIsTheSameRawAndTyped) {
  auto message = Message("BYTES", {2}, "bytes_contents: 'a' bytes_contents: 'caf\303\251'");
  for (const bool is_raw : {false, true}) {
    if (is_raw) {
      message.mutable_inputs(0)->clear_contents();
      message.add_raw_input_contents(std::string("\1\0\0\0a\5\0\0\0caf\303\251", 14));
    }
    const auto request = DecodeInferRequest(message, kNow);
    ASSERT_TRUE(request.ok()) << request.status();
    EXPECT_EQ(request->inputs.at("x").dtype, tensor::DType::kBytes);
    EXPECT_THAT(tensor::TextElements(request->inputs.at("x")), testing::ElementsAre("a", "caf\303\251"));
  }
}

TEST(OpenInferenceCodecTest, WhatCannotBeReadIsRefusedByName) {
  using enum absl::StatusCode;
  ExpectRefused(Message("BYTES", {1}), kInvalidArgument, "shape [1], which is 1 elements, and 0 in bytes_contents");
  ExpectRefused(Message("FLOAT", {1}), kInvalidArgument, "datatype \"FLOAT\"; expected BOOL");
  ExpectRefused(Message("FP8_E5M2", {1}), kInvalidArgument, "datatype \"FP8_E5M2\"");
  ExpectRefused(Message("FP16", {1}), kInvalidArgument, "raw_input_contents");
  ExpectRefused(Message("FP32", {2}), kInvalidArgument, "shape [2], which is 2 elements, and 0 in fp32_contents");

  ExpectRefused(Message("FP32", {1}, "int_contents: 1"), kInvalidArgument,
                "belong into fp32_contents; it has some in int_contents");
  ExpectRefused(Message("FP32", {1}, "fp32_contents: 1 bool_contents: true"), kInvalidArgument, "in another field too");
  ExpectRefused(Message("INT8", {1}, "int_contents: 128"), kInvalidArgument, "INT8 and has the value 128");

  auto message = Message("FP32", {1});
  message.add_raw_input_contents("0000");
  message.add_raw_input_contents("0000");
  ExpectRefused(message, kInvalidArgument, "1 inputs and 2 raw_input_contents");
  message = Message("FP32", {1}, "fp32_contents: 1");
  message.add_raw_input_contents("0000");
  ExpectRefused(message, kInvalidArgument, "one or the other");
  message = Message("FP32", {1});
  *message.add_inputs() = message.inputs(0);
  message.add_raw_input_contents("0000");
  message.add_raw_input_contents("0000");
  ExpectRefused(message, kInvalidArgument, "there twice");
  for (const char* version : {"0", "-1", "one", "1.0"}) {
    message = Message("FP32", {1});
    message.set_model_version(version);
    ExpectRefused(message, kInvalidArgument, "expected a positive integer");
  }
}

TEST(OpenInferenceCodecTest, WhatDoesNotAgreeWithItselfIsRefused) {
  using enum absl::StatusCode;
  const auto raw = [](const std::string& datatype, const std::vector<int64_t>& shape, const std::string& bytes) {
    auto message = Message(datatype, shape);
    message.add_raw_input_contents(bytes);
    return message;
  };
  auto message = raw("FP32", {1}, "0000");
  message.add_outputs()->set_name("y");
  message.add_outputs()->set_name("y");
  ExpectRefused(message, kInvalidArgument, "output \"y\" is asked for twice");
  ExpectRefused(raw("FP32", {-1}, "0000"), kInvalidArgument, "shape [-1] has a negative dimension");
  ExpectRefused(raw("FP32", {2}, "0000"), kInvalidArgument, "has 4 bytes of data; expected 8 for FP32 of shape [2]");
  ExpectRefused(raw("FP32", {0, int64_t{1} << 40, int64_t{1} << 40}, ""), kInvalidArgument, "overflows");
  ExpectRefused(Message("FP32", {int64_t{1} << 40, int64_t{1} << 40}, "fp32_contents: 1"), kInvalidArgument,
                "overflows");
  ExpectRefused(Message("FP32", {-1}, "fp32_contents: 1"), kInvalidArgument, "negative dimension");
  ExpectRefused(raw("BOOL", {3}, std::string("\0\1\2", 3)), kInvalidArgument, "has the byte 2 at element 2");
}

TEST(OpenInferenceCodecTest, WhatExceedsALimitIsRefused) {
  using enum absl::StatusCode;
  auto message = Message("FP32", {1}, "fp32_contents: 1");
  for (int i = 0; i < 4096; ++i) *message.add_inputs() = message.inputs(0);
  ExpectRefused(message, kInvalidArgument, "the request has 4097 inputs; expected at most 4096");
  message = Message("FP32", {1}, "fp32_contents: 1");
  for (int i = 0; i < 4097; ++i) message.add_outputs()->set_name(std::to_string(i));
  ExpectRefused(message, kInvalidArgument, "the request has 4097 outputs; expected at most 4096");
  ExpectRefused(Message("FP32", std::vector<int64_t>(65, 1), "fp32_contents: 1"), kInvalidArgument,
                "input \"x\" has 65 dimensions; expected at most 64");
  message = Message("FP32", {1}, "fp32_contents: 1");
  for (int i = 0; i < 257; ++i) (*message.mutable_parameters())[std::to_string(i)];
  ExpectRefused(message, kInvalidArgument, "the request has 257 parameters; expected at most 256");
  message = Message("FP32", {1}, "fp32_contents: 1");
  for (int i = 0; i < 257; ++i) (*message.mutable_inputs(0)->mutable_parameters())[std::to_string(i)];
  ExpectRefused(message, kInvalidArgument, "input \"x\" has 257 parameters; expected at most 256");
  message = Message("FP32", {1}, "fp32_contents: 1");
  message.set_id(std::string(4097, 'i'));
  ExpectRefused(message, kInvalidArgument, "the request's id has 4097 bytes");
  message = Message("FP32", {1}, "fp32_contents: 1");
  message.mutable_inputs(0)->set_name(std::string(1025, 'i'));
  ExpectRefused(message, kInvalidArgument, "the name of an input has 1025 bytes");
  for (const size_t length : {1000, 1'000'000}) {
    message = Message(std::string(length, 'F'), {1});
    ExpectRefused(message, kInvalidArgument, std::string(64, 'F') + "…\"");
    message.set_model_version(std::string(length, '1'));
    ExpectRefused(message, kInvalidArgument, std::string(64, '1') + "…\"");
    EXPECT_LT(DecodeInferRequest(message, kNow).status().message().size(), 300U);
  }
}

TEST(OpenInferenceCodecTest, ParametersEndTheWaitOrAreRefused) {
  const auto with = [](const std::string& key, auto set) {
    auto message = Message("FP32", {1});
    message.add_raw_input_contents("0000");
    set((*message.mutable_parameters())[key]);
    return message;
  };
  const auto deadline = [&](const std::string& key, auto set) {
    return DecodeInferRequest(with(key, set), kNow).value().deadline;
  };
  EXPECT_EQ(deadline("timeout", [](auto& p) { p.set_int64_param(1500); }), kNow + std::chrono::microseconds(1500));
  EXPECT_EQ(deadline("timeout", [](auto& p) { p.set_uint64_param(20); }), kNow + std::chrono::microseconds(20));
  EXPECT_EQ(deadline("timeout", [](auto& p) { p.set_int64_param(0); }), base::kNoDeadline);
  EXPECT_EQ(deadline("timeout", [](auto& p) { p.set_uint64_param(~uint64_t{0}); }), base::kNoDeadline);
  EXPECT_EQ(deadline("priority", [](auto& p) { p.set_uint64_param(1); }), base::kNoDeadline);
  EXPECT_EQ(deadline("sequence_id", [](auto& p) { p.set_int64_param(0); }), base::kNoDeadline);
  using enum absl::StatusCode;
  ExpectRefused(with("timeout", [](auto& p) { p.set_int64_param(-1); }), kInvalidArgument, "timeout");
  ExpectRefused(with("timeout", [](auto& p) { p.set_string_param("1"); }), kInvalidArgument, "timeout");
  const auto names_sequence = [&](auto set) {
    return DecodeInferRequest(with("sequence_id", set), kNow).value().names_sequence;
  };
  EXPECT_TRUE(names_sequence([](auto& p) { p.set_int64_param(5); }));
  EXPECT_TRUE(names_sequence([](auto& p) { p.set_string_param("a"); }));
  EXPECT_TRUE(names_sequence([](auto& p) { p.set_double_param(5); }));
  EXPECT_FALSE(names_sequence([](auto& p) { p.set_int64_param(0); }));

  auto message = Message("FP32", {1});
  (*message.mutable_inputs(0)->mutable_parameters())["shared_memory_region"].set_string_param("r");
  ExpectRefused(message, kUnimplemented, "input \"x\" asks for shared memory");
  message = with("none", [](auto&) {});
  auto& output = *message.add_outputs();
  output.set_name("y");
  inference::InferParameter& classes = (*output.mutable_parameters())["classification"];
  classes.set_int64_param(3);
  const auto asked = [&message] { return DecodeInferRequest(message, kNow).value().top_classes; };
  EXPECT_EQ(asked().at("y"), 3);
  classes.set_uint64_param(std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(asked().at("y"), std::numeric_limits<int64_t>::max());
  classes.set_int64_param(0);
  EXPECT_TRUE(asked().empty());
  classes.set_int64_param(-1);
  ExpectRefused(message, absl::StatusCode::kInvalidArgument, "classification of output \"y\" is a number of classes");
  classes.set_string_param("3");
  ExpectRefused(message, absl::StatusCode::kInvalidArgument, "classification of output \"y\" is a number of classes");
}

TEST(OpenInferenceCodecTest, AnswersSayWhereTheyRan) {
  static constexpr std::byte kBytes[4] = {};
  Answer answer;
  answer.model = "m";
  answer.version = 3;
  answer.result.outputs = {{"y", {tensor::DType::kFp16, {1, 2}, kBytes, nullptr}}};
  answer.result.execution.device = "cuda:1";
  inference::ModelInferRequest request;
  request.set_id("7");
  const auto encoded = [&] {
    OutgoingMessage bytes;
    EXPECT_TRUE(EncodeInferAnswer(answer, request, bytes).ok());
    inference::ModelInferResponse read;
    EXPECT_TRUE(ReadBack(std::move(bytes), read));
    return read;
  };
  inference::ModelInferResponse response = encoded();
  EXPECT_EQ(response.model_version(), "3");
  EXPECT_EQ(response.id(), "7");
  EXPECT_EQ(response.outputs(0).datatype(), "FP16");
  EXPECT_EQ(response.raw_output_contents(0).size(), 4U);
  EXPECT_EQ(response.parameters().at("torchferry_device").string_param(), "cuda:1");
  EXPECT_EQ(response.parameters().at("torchferry_fallback").parameter_choice_case(),
            inference::InferParameter::kBoolParam);
  EXPECT_FALSE(response.parameters().contains("torchferry_fallback_reason"));
  answer.result.execution.fallback = true;
  answer.result.execution.fallback_reason = tensor::FallbackReason::kAbsent;
  response = encoded();
  EXPECT_EQ(response.parameters().at("torchferry_fallback_reason").string_param(), "absent");

  answer.result.outputs[0].tensor.dtype = tensor::DType::kBytes;
  EXPECT_EQ(encoded().outputs(0).datatype(), "BYTES");

  answer.result.outputs[0].tensor.dtype = tensor::DType::kComplex64;
  OutgoingMessage refused;
  const absl::Status status = EncodeInferAnswer(answer, request, refused);
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(base::MessageOf(status), AllOf(HasSubstr("\"y\""), HasSubstr("COMPLEX64")));
}

}  // namespace
}  // namespace torchferry::rpc
