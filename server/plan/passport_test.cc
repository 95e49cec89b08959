#include "server/plan/passport.h"

#include <absl/strings/escaping.h>
#include <gmock/gmock.h>

#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "server/base/status.h"
#include "server/checkpoint/limits.h"
#include "server/plan/golden_rows.h"

namespace torchferry::plan {
namespace {

using checkpoint::JsonValue;
using Json = nlohmann::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string Base64(const std::vector<float>& values) {
  std::string bytes(values.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  std::string text;
  absl::Base64Escape(bytes, &text);
  return text;
}

Json Floats(const std::vector<int64_t>& shape, const std::vector<float>& values) {
  return {{"type", "FP32"}, {"shape", shape}, {"data", Base64(values)}};
}

Json Filled(const std::vector<int64_t>& shape, Json fill = {{"seed", 7}}, const std::string& type = "FP32") {
  return {{"type", type}, {"shape", shape}, {"fill", std::move(fill)}};
}

Json Whole() {
  return {
      {"format", "torchferry-passport"},
      {"version", 1},
      {"signature",
       {{"max_batch_size", 64},
        {"inputs", {{{"name", "x"}, {"type", "FP32"}, {"dims", {2, -1}}}}},
        {"outputs", {{{"name", "y"}, {"type", "FP16"}, {"dims", {2}}}}}}},
      {"saved",
       {{"device", "cuda:0"},
        {"dtypes", {"FP32", "INT64"}},
        {"torch", "2.11.0"},
        {"created", "2026-11-29T12:00:00Z"},
        {"program", "torch.export"}}},
      {"origin",
       {{"git_commit", "abc"},
        {"git_dirty", true},
        {"run_id", "r1"},
        {"metrics", {{"accuracy", 0.93}, {"epochs", 3}, {"loss", nullptr}}},
        {"source", "hf://org/repo@rev"},
        {"sha256", "00ff"}}},
      {"golden",
       {{"rtol", 0.5},
        {"atol", 0},
        {"rows", {{{"inputs", {{"x", Floats({1, 2, 1}, {1, 2})}}}, {"outputs", {{"y", Floats({1, 2}, {3, 4})}}}}}}}}};
}

// `whole` with the value at `pointer` replaced.
Json With(const std::string& pointer, Json value) {
  Json whole = Whole();
  whole[Json::json_pointer(pointer)] = std::move(value);
  return whole;
}

std::string ErrorOf(const Json& passport) {
  const absl::StatusOr<Passport> read = ParsePassport(passport.dump());
  return read.ok() ? "" : base::MessageOf(read.status());
}

TEST(PassportTest, EachFieldIsRead) {
  const absl::StatusOr<Passport> read = ParsePassport(Whole().dump());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_THAT(read->unknown_fields, IsEmpty());
  EXPECT_EQ(read->signature->max_batch_size, 64);
  EXPECT_EQ(read->signature->inputs[0].name, "x");
  EXPECT_EQ(read->signature->inputs[0].dims, (tensor::Shape{2, -1}));
  EXPECT_EQ(read->signature->outputs[0].dtype, tensor::DType::kFp16);
  const model::Provenance& provenance = read->provenance;
  EXPECT_EQ(provenance.saved_device, "cuda:0");
  EXPECT_THAT(provenance.saved_dtypes, ElementsAre("FP32", "INT64"));
  EXPECT_EQ(provenance.torch_version, "2.11.0");
  EXPECT_EQ(provenance.created, "2026-11-29T12:00:00Z");
  EXPECT_EQ(provenance.program, "torch.export");
  EXPECT_EQ(provenance.git_commit, "abc");
  EXPECT_EQ(provenance.git_dirty, true);
  EXPECT_EQ(provenance.run_id, "r1");
  EXPECT_EQ(provenance.metrics, (std::map<std::string, double>{{"accuracy", 0.93}, {"epochs", 3}}));
  EXPECT_EQ(provenance.source, "hf://org/repo@rev");
  EXPECT_EQ(provenance.sha256, "00ff");
  EXPECT_EQ(read->golden.rtol, 0.5);
  EXPECT_EQ(read->golden.atol, 0);
  ASSERT_EQ(read->golden.rows.size(), 1U);
  const tensor::HostTensor& x = read->golden.rows[0].inputs.at("x");
  EXPECT_EQ(x.shape, (tensor::Shape{1, 2, 1}));
  float second = 0;
  std::memcpy(&second, x.bytes.data() + sizeof(float), sizeof(float));
  EXPECT_EQ(second, 2);
}

TEST(PassportTest, AllButFormatAndVersionMayBeMissing) {
  const absl::StatusOr<Passport> read = ParsePassport(R"({"format": "torchferry-passport", "version": 1})");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_FALSE(read->signature.has_value());
  EXPECT_EQ(read->provenance, model::Provenance{});
  EXPECT_THAT(read->golden.rows, IsEmpty());
  for (const char* field : {"/signature", "/saved", "/origin", "/golden", "/saved/device", "/origin/git_dirty",
                            "/golden/rtol", "/golden/rows", "/signature/max_batch_size"}) {
    // The rows then have no batch dimension, and golden rows have one too many.
    const std::string error = ErrorOf(With(field, nullptr));
    EXPECT_EQ(error.empty(), std::string(field) != "/signature/max_batch_size") << field << ": " << error;
  }
}

TEST(PassportTest, AnInputMayBeGenerated) {
  Json passport = Whole();
  passport["signature"]["inputs"].push_back({{"name", "z"}, {"type", "FP64"}, {"dims", {-1}}});
  passport["golden"]["rows"][0]["inputs"]["z"] = Filled({1, 2}, {{"seed", INT64_MAX}}, "FP64");
  const absl::StatusOr<Passport> read = ParsePassport(passport.dump());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_THAT(read->unknown_fields, IsEmpty());
  const std::map<std::string, tensor::HostTensor> inputs = InputsOf(read->golden.rows[0]);
  ASSERT_EQ(inputs.size(), 2U);
  EXPECT_EQ(inputs.at("x").bytes.data(), read->golden.rows[0].inputs.at("x").bytes.data());
  const tensor::HostTensor& z = inputs.at("z");
  EXPECT_EQ(z.dtype, tensor::DType::kFp64);
  EXPECT_EQ(z.shape, (tensor::Shape{1, 2}));
  double second = 0;
  ASSERT_EQ(z.bytes.size(), 2 * sizeof(second));
  std::memcpy(&second, z.bytes.data() + sizeof(second), sizeof(second));
  EXPECT_EQ(second, 7474177.0 / (1 << 23));
}

TEST(PassportTest, FieldsThatNobodyKnowsAreNamed) {
  Json passport = Whole();
  passport["later"] = 1;
  passport["saved"]["host"] = "h";
  passport["signature"]["inputs"][0]["labels"] = Json::array({1});
  passport["golden"]["rows"][0]["inputs"]["x"]["layout"] = "NCHW";
  const absl::StatusOr<Passport> read = ParsePassport(passport.dump());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_THAT(read->unknown_fields,
              ElementsAre("later", "signature.inputs[0].labels", "saved.host", "golden.rows[0].inputs.x.layout"));
}

TEST(PassportTest, WhatIsWrongIsNamedWithItsValueAndWhatWasExpected) {
  const std::string long_text(limits::kMaxPassportTextBytes + 1, 'a');
  const Json row = Whole()["golden"]["rows"][0];
  struct Case {
    std::string pointer;
    Json value;
    std::vector<std::string> fragments;
  };
  const Case cases[] = {
      {"/format", "onnx", {"format is \"onnx\"", "expected \"torchferry-passport\""}},
      {"/format", 3, {"format is an integer", "expected a string"}},
      {"/version", "1", {"version is a string", "expected an integer"}},
      {"/version", 0, {"version is 0"}},
      {"/version", 2, {"version is 2", "knows version 1", "update the server"}},
      {"/signature", Json::array(), {"signature is a list", "expected an object"}},
      {"/signature/max_batch_size", -1, {"signature.max_batch_size is -1", "0 to"}},
      {"/signature/inputs", nullptr, {"signature.inputs is missing", "expected a list"}},
      {"/signature/inputs/0/name", "", {"signature.inputs[0].name is missing or empty"}},
      {"/signature/inputs/0/name", "a\nb", {"signature.inputs[0].name is \"a\\nb\"", "control characters"}},
      {"/signature/inputs/0/name", long_text, {"signature.inputs[0].name", "at most 1024 bytes"}},
      {"/signature/inputs/0/type", "float32", {"signature.inputs[0].type is \"float32\"", "FP32"}},
      {"/signature/inputs/0/type", "FP8E4M3", {"signature.inputs[0].type is \"FP8E4M3\""}},
      {"/signature/inputs/0/dims", {2, -2}, {"signature.inputs[0].dims[1] is -2", "-1 to"}},
      {"/signature/inputs/0/dims", {2, 1.5}, {"signature.inputs[0].dims[1] is a number", "expected an integer"}},
      {"/signature/inputs/0/dims", std::vector<int>(65, 1), {"signature.inputs[0].dims has 65 entries", "at most 64"}},
      {"/signature/inputs/1", Whole()["signature"]["inputs"][0], {"signature.inputs[1]", "\"x\" once more"}},
      {"/saved/dtypes", Json(std::vector<std::string>(65, "FP32")), {"saved.dtypes has 65 entries"}},
      {"/saved/torch", 2, {"saved.torch is an integer"}},
      {"/origin/git_dirty", "no", {"origin.git_dirty is a string", "expected a boolean"}},
      {"/origin/metrics/accuracy", "high", {"origin.metrics.accuracy is a string", "expected a number"}},
      {"/golden/rtol", -1, {"golden.rtol is -1", "0 to"}},
      {"/golden/atol", 1e9, {"golden.atol is 1000000000"}},
      {"/golden/atol", "a", {"golden.atol is a string"}},
      {"/golden/rows", Json(std::vector<Json>(5, row)), {"golden.rows has 5 entries", "at most 4"}},
      {"/golden/rows/0/outputs", Json::object(), {"golden.rows[0].outputs has no tensor"}},
      {"/golden/rows/0/inputs/x/type", "BYTES", {"golden.rows[0].inputs.x.type is BYTES", "numbers"}},
      {"/golden/rows/0/inputs/x/shape", {1, 2, -1}, {"golden.rows[0].inputs.x.shape[2] is -1"}},
      {"/golden/rows/0/inputs/x/shape", {1, 2, 2}, {"golden.rows[0].inputs.x.data has 8 bytes", "expected 16"}},
      {"/golden/rows/0/inputs/x/shape", {1, 2, 100'000}, {"golden.rows[0].inputs.x.shape", "65536 bytes"}},
      {"/golden/rows/0/inputs/x/shape", {1LL << 40, 1LL << 40}, {"golden.rows[0].inputs.x.shape", "65536 bytes"}},
      {"/golden/rows/0/inputs/x/data", "*", {"golden.rows[0].inputs.x.data is no base64"}},
      {"/golden/rows/0/inputs/z", Floats({1}, {1}), {"golden.rows[0].inputs has \"z\"", "does not declare"}},
      {"/golden/rows/0/inputs/z", Filled({1}), {"golden.rows[0].inputs has \"z\"", "does not declare"}},
      {"/golden/rows/0/inputs/x", Filled({2, 2, 1}), {"of shape [2, 2, 1]", "[1, 2, -1]", "with one row"}},
      {"/golden/rows/0/inputs/x", Filled({1, 2, 1}, {{"seed", 0}}, "FP64"), {"is FP64 of shape", "expected FP32"}},
      {"/golden/rows/0/inputs/x", Filled({1, 2, 1}, {{"seed", 0}}, "FP16"), {"x.type is FP16", "FP32 or FP64"}},
      {"/golden/rows/0/inputs/x", Filled({1, 2, 1}, 7), {"golden.rows[0].inputs.x.fill is an integer", "an object"}},
      {"/golden/rows/0/inputs/x", Filled({1, 2, 1}, Json::object()), {"inputs.x.fill.seed is missing", "an integer"}},
      {"/golden/rows/0/inputs/x", Filled({1, 2, 1}, {{"seed", -1}}), {"x.fill.seed is -1", "0 to 9223372036854775807"}},
      {"/golden/rows/0/inputs/x", Filled({1, 2, 1}, {{"seed", 0.5}}), {"x.fill.seed is a number", "an integer"}},
      {"/golden/rows/0/inputs/x", Filled({1, 2, 1}, {{"seed", UINT64_MAX}}), {"18446744073709551615"}},
      {"/golden/rows/0/inputs/x", Filled({1, 2, 1LL << 23}), {"inputs.x.shape is [1, 2, 8388608]", "16777216 bytes"}},
      {"/golden/rows/0/inputs/x/fill", {{"seed", 7}}, {"golden.rows[0].inputs.x has both \"data\" and \"fill\""}},
      {"/golden/rows/0/inputs/x/data", nullptr, {"golden.rows[0].inputs.x has neither \"data\" nor \"fill\""}},
      {"/golden/rows/0/outputs/y",
       Filled({1, 2}),
       {"golden.rows[0].outputs.y is an output with \"fill\"", "as \"data\""}},
      {"/golden/rows/0/inputs/x", Floats({2, 1}, {1, 2}), {"of shape [2, 1]", "[1, 2, -1]", "with one row"}},
      {"/golden/rows/0/outputs/y", Floats({1, 1}, {1}), {"golden.rows[0].outputs.y is FP32 of shape [1, 1]"}},
  };
  for (const Case& one : cases) {
    const std::string error = ErrorOf(With(one.pointer, one.value));
    for (const std::string& fragment : one.fragments) EXPECT_THAT(error, HasSubstr(fragment)) << one.pointer;
  }
}

TEST(PassportTest, TensorsOfAllRowsTogetherAreBounded) {
  const std::vector<float> quarter(limits::kMaxGoldenBytes / 4 / sizeof(float));
  const auto size = static_cast<int64_t>(quarter.size());
  const Json row = {{"inputs", {{"a", Floats({size}, quarter)}}}, {"outputs", {{"b", Floats({size}, quarter)}}}};
  Json passport = {{"format", "torchferry-passport"}, {"version", 1}, {"golden", {{"rows", {row, row}}}}};
  EXPECT_EQ(ErrorOf(passport), "");
  passport["golden"]["rows"].push_back({{"inputs", Json::object()}, {"outputs", {{"c", Floats({1}, {1})}}}});
  EXPECT_THAT(ErrorOf(passport), HasSubstr("golden.rows[2].outputs.c.shape is [1] of FP32; expected at most 65536"));
}

TEST(PassportTest, GeneratedInputsOfAllRowsTogetherAreBounded) {
  const auto half = static_cast<int64_t>(limits::kMaxFilledBytes / 2 / sizeof(float));
  const Json outputs = {{"b", Floats({1}, {1})}};
  const Json row = {{"inputs", {{"a", Filled({half})}}}, {"outputs", outputs}};
  Json passport = {{"format", "torchferry-passport"}, {"version", 1}, {"golden", {{"rows", {row, row}}}}};
  EXPECT_EQ(ErrorOf(passport), "");
  passport["golden"]["rows"].push_back({{"inputs", {{"c", Filled({1})}}}, {"outputs", outputs}});
  EXPECT_THAT(ErrorOf(passport), HasSubstr("golden.rows[2].inputs.c.shape is [1] of FP32; expected at most 16777216 "
                                           "bytes of all generated inputs of golden rows"));
}

TEST(PassportTest, WhatIsNoBoundedJsonIsRefused) {
  const std::string begin = R"({"format": "torchferry-passport", "version": 1, "later": )";
  const auto refusal = [](const std::string& text) { return base::MessageOf(ParsePassport(text).status()); };
  EXPECT_THAT(refusal("{"), HasSubstr("is no JSON from byte"));
  EXPECT_THAT(refusal("[1]"), HasSubstr("it is a list; expected an object"));
  EXPECT_THAT(refusal(begin + "NaN}"), HasSubstr("is no JSON from byte"));
  EXPECT_THAT(refusal(R"({"format": "torchferry-passport", "format": "x"})"), HasSubstr("twice"));
  EXPECT_THAT(refusal(begin + std::string(16, '[') + std::string(16, ']') + "}"), HasSubstr("nests more than 16 deep"));
  EXPECT_EQ(refusal(begin + std::string(15, '[') + std::string(15, ']') + "}"), "");
  EXPECT_THAT(refusal(begin + "\"" + std::string(limits::kMaxPassportBytes, 'a') + "\"}"),
              AllOf(HasSubstr("bytes; at most 262144"), HasSubstr("golden rows")));
  Json many;
  for (size_t i = 0; i <= limits::kMaxPassportMembers; ++i) many[std::to_string(i)] = 0;
  EXPECT_THAT(refusal(begin + many.dump() + "}"), HasSubstr("has 513 members; at most 512"));
  EXPECT_THAT(refusal("{\"format\": \"\xff\"}"), HasSubstr("is no JSON"));
}

// What one document says with another's fields, and the first contradiction.
std::pair<JsonValue, std::string> Merged(const Json& one, const Json& other) {
  JsonValue into = ParsePassportJson(one.dump()).value();
  std::string difference = MergePassport(ParsePassportJson(other.dump()).value(), into);
  return {std::move(into), std::move(difference)};
}

TEST(PassportMergeTest, TheFirstFieldThatDiffersIsNamedWithBothValues) {
  const auto differ = [](const Json& one, const Json& other) { return Merged(one, other).second; };
  EXPECT_EQ(differ(Whole(), Whole()), "");
  EXPECT_EQ(differ(Whole(), With("/signature/max_batch_size", 64.0)), "");
  EXPECT_EQ(differ(Whole(), With("/signature/max_batch_size", 8)), "signature.max_batch_size is 64 and 8");
  EXPECT_EQ(differ(Whole(), With("/signature/inputs/0/dims/1", 3)), "signature.inputs[0].dims[1] is -1 and 3");
  EXPECT_EQ(differ(Whole(), With("/signature/inputs/0/dims", {1})),
            "signature.inputs[0].dims is a list of 2 and a list of 1");
  EXPECT_EQ(differ(Whole(), With("/origin/git_dirty", false)), "origin.git_dirty is true and false");
  EXPECT_EQ(differ(Whole(), With("/origin/run_id", nullptr)), "origin.run_id is \"r1\" and null");
  EXPECT_EQ(differ(Whole(), With("/signature", "z")), "signature is an object and \"z\"");
  // A list is a field as a whole: nothing is added to it.
  EXPECT_EQ(differ(Whole(), With("/signature/inputs/0/later", 1)), "signature.inputs[0].later is nothing and 1");
  // The order of members does not count.
  EXPECT_EQ(differ(Json::parse(R"({"a": 1, "b": 2})"), Json::parse(R"({"b": 2, "a": 1})")), "");
}

TEST(PassportMergeTest, WhatOneOfThemSaysIsSaid) {
  const Json head = {{"format", "torchferry-passport"}, {"version", 1}};
  Json beside = head;
  beside["origin"] = {{"source", "hf://a/b@c"}, {"git_dirty", true}};
  beside["later"] = "z";
  Json inside = Whole();
  inside["origin"].erase("source");
  const auto [merged, difference] = Merged(inside, beside);
  EXPECT_EQ(difference, "");
  const auto passport = ReadPassport(merged);
  ASSERT_TRUE(passport.ok()) << passport.status();
  EXPECT_EQ(passport->provenance.source, "hf://a/b@c");
  EXPECT_EQ(passport->provenance.run_id, "r1");
  EXPECT_THAT(passport->unknown_fields, ElementsAre("later"));
  EXPECT_EQ(Merged(head, Whole()).second, "");
  EXPECT_TRUE(ReadPassport(Merged(head, Whole()).first)->signature.has_value());
}

TEST(PassportMergeTest, TheLimitsHoldForBothTogether) {
  Json inside = Whole();
  Json beside = Whole();
  inside["origin"]["metrics"] = Json::object();
  beside["origin"]["metrics"] = Json::object();
  for (int i = 0; i < 40; ++i) {
    inside["origin"]["metrics"]["a" + std::to_string(i)] = i;
    beside["origin"]["metrics"]["b" + std::to_string(i)] = i;
  }
  const auto [merged, difference] = Merged(inside, beside);
  EXPECT_EQ(difference, "");
  EXPECT_FALSE(ReadPassport(merged).ok());
}

}  // namespace
}  // namespace torchferry::plan
