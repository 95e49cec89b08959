#include "server/rpc/predict/request_builder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "server/base/status.h"
#include "server/base/utf8.h"

namespace torchferry::rpc {
namespace {

using tensor::DType;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::byte kZeros[64] = {};

std::span<const std::byte> Zeros(size_t count) { return std::span(kZeros).first(count); }

void ExpectInvalid(const absl::Status& status, const std::string& text) {
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
  EXPECT_THAT(base::MessageOf(status), HasSubstr(text));
}

TEST(RequestBuilderTest, WhatFitsBecomesARequest) {
  RequestBuilder builder;
  ASSERT_TRUE(builder.Begin(std::string(4096, 'i'), {4096, 4096, 256}).ok());
  const auto owner = std::make_shared<int>(1);
  const std::vector<int64_t> shape(64, 1);
  ASSERT_TRUE(builder.AddInput("x", DType::kFp32, shape, Zeros(4), owner).ok());
  ASSERT_TRUE(builder.AddInput(std::string(1024, 'n'), DType::kFp16, {}, Zeros(2)).ok());
  ASSERT_TRUE(builder.AddInput("empty", DType::kFp64, std::vector<int64_t>{3, 0}, {}).ok());
  ASSERT_TRUE(builder.AddWanted("b").ok());
  ASSERT_TRUE(builder.AddWanted("a").ok());
  builder.request().version = 7;
  const absl::StatusOr<Request> request = builder.Take();
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->version, 7);
  EXPECT_THAT(request->wanted_outputs, ElementsAre("b", "a"));
  ASSERT_EQ(request->inputs.size(), 3U);
  EXPECT_EQ(request->inputs.at("x").shape, shape);
  EXPECT_EQ(request->inputs.at("x").owner, owner);
  EXPECT_EQ(request->inputs.at("x").bytes.data(), kZeros);
}

TEST(RequestBuilderTest, OneMoreThanALimitIsRefusedBeforeAnythingIsAdded) {
  ExpectInvalid(RequestBuilder().Begin("", {.inputs = 4097}), "4097 inputs; expected at most 4096");
  ExpectInvalid(RequestBuilder().Begin("", {.wanted_outputs = 4097}), "4097 outputs; expected at most 4096");
  ExpectInvalid(RequestBuilder().Begin("", {.parameters = 257}),
                "the request has 257 parameters; expected at most 256");
  ExpectInvalid(RequestBuilder().Begin(std::string(4097, 'i'), {}), "id has 4097 bytes; expected at most 4096");
}

TEST(RequestBuilderTest, AnInputMustAgreeWithItself) {
  const std::vector<int64_t> two = {2};
  const struct {
    std::vector<int64_t> shape;
    size_t bytes;
    std::string text;
  } kCases[] = {{std::vector<int64_t>(65, 1), 4, "input \"x\" has 65 dimensions; expected at most 64"},
                {{2}, 4, "input \"x\" has 4 bytes of data; expected 8 for FP32 of shape [2]"},
                {{2, -3}, 4, "shape [2, -3] has a negative dimension: -3 at index 1"},
                {{int64_t{1} << 62, 4}, 4, "overflows"},
                {{int64_t{1} << 61}, 4, "more than 2^63-1 bytes"},
                {{0, int64_t{1} << 62, 4}, 0, "overflows"}};
  for (const auto& [shape, bytes, text] : kCases)
    ExpectInvalid(RequestBuilder().AddInput("x", DType::kFp32, shape, Zeros(bytes)), text);
}

TEST(RequestBuilderTest, ABoolIsZeroOrOne) {
  const std::vector<int64_t> shape = {3};
  const std::byte good[] = {std::byte{0}, std::byte{1}, std::byte{1}};
  EXPECT_TRUE(RequestBuilder().AddInput("m", DType::kBool, shape, good).ok());
  const std::byte bad[] = {std::byte{0}, std::byte{255}, std::byte{2}};
  ExpectInvalid(RequestBuilder().AddInput("m", DType::kBool, shape, bad),
                "input \"m\" is BOOL and has the byte 255 at element 1; expected 0 or 1");
  EXPECT_TRUE(RequestBuilder().AddInput("m", DType::kUint8, shape, bad).ok());
}

TEST(RequestBuilderTest, NamesAreThereOnce) {
  RequestBuilder builder;
  const std::vector<int64_t> shape = {1};
  ASSERT_TRUE(builder.AddInput("x", DType::kInt8, shape, Zeros(1)).ok());
  ExpectInvalid(builder.AddInput("x", DType::kInt8, shape, Zeros(1)), "input \"x\" is there twice");
  for (const char* name : {"a", "b", "a"}) ASSERT_TRUE(builder.AddWanted(name).ok());
  ExpectInvalid(builder.Take().status(), "output \"a\" is asked for twice; name each once");
}

// A message must not repeat what is refused for its length.
TEST(RequestBuilderTest, NamesHaveALength) {
  const std::string name = std::string(63, 'n') + "é" + std::string(1'000'000, 'n');
  RequestBuilder builder;
  for (const absl::Status& status : {builder.AddInput(name, DType::kInt8, {}, Zeros(1)), builder.AddWanted(name),
                                     CheckNameLength("model_name", name)}) {
    ExpectInvalid(status, "has 1000065 bytes (\"" + std::string(63, 'n') + "…\"); expected at most 1024");
    EXPECT_LT(status.message().size(), 200U);
    EXPECT_TRUE(base::IsUtf8(base::MessageOf(status)));
  }
  EXPECT_TRUE(CheckNameLength("model_name", std::string(1024, 'n')).ok());
  EXPECT_TRUE(CheckNameLength("model_name", "").ok());
  ExpectInvalid(CheckParameterCount("input \"x\"", 257), "input \"x\" has 257 parameters; expected at most 256");
}

TEST(RequestBuilderTest, AnIdThatIsTooLongIsRepeatedInPart) {
  EXPECT_EQ(IdToRepeat("id 7"), "id 7");
  EXPECT_EQ(IdToRepeat(std::string(4097, 'i')), std::string(64, 'i') + "…");
}

}  // namespace
}  // namespace torchferry::rpc
