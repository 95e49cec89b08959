// Passports in real archives and beside them.
#include "server/plan/passport_plan.h"

#include <gmock/gmock.h>

#include "server/base/status.h"
#include "server/checkpoint/test_files.h"

namespace torchferry::plan {
namespace {

using checkpoint::testing::AsFile;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;

constexpr char kPassport[] =
    R"({"format": "torchferry-passport", "version": 1, "signature": {"max_batch_size": 4,
        "inputs": [{"name": "x", "type": "FP32", "dims": [3]}], "outputs": [{"name": "y", "type": "FP32", "dims": [2]}]},
        "origin": {"run_id": "r1"}})";

PlanContext CpuHost() {
  PlanContext context;
  context.devices = {tensor::DeviceId::Cpu()};
  context.device_types = {"cpu"};
  return context;
}

// A TorchScript archive; `passport` empty: without one.
VersionFiles Script(const std::string& passport, const std::string& entry = "m/extra/torchferry.json") {
  checkpoint::testing::ZipBuilder builder;
  builder.Add("m/data.pkl", checkpoint::testing::Pickle(checkpoint::testing::Global("__torch__", "M") + ")\x81}b"))
      .Add("m/constants.pkl", checkpoint::testing::Pickle(")"))
      .Add("m/code/__torch__.py",
           "class M(Module):\n  def forward(self: __torch__.M,\n    x: Tensor) -> Tensor:\n    return x\n")
      .Add("m/version", "10\n");
  if (!passport.empty()) builder.Add(entry, passport);
  VersionFiles files;
  files.model = AsFile(builder.Build());
  files.format = checkpoint::FileFormat::kTorchScript;
  return files;
}

VersionFiles Beside(VersionFiles files, const std::string& passport) {
  files.passport_file = checkpoint::File::FromBytes(passport, "m/1/torchferry.json");
  return files;
}

absl::Status Refusal(const VersionFiles& files, const config::ModelConfig& config = {}) {
  return PlanVersion(files, config, CpuHost()).status();
}

TEST(PassportPlanTest, ThePassportOfAnArchiveSaysWhatTheConfigDoesNot) {
  const auto planned = PlanVersion(Script(kPassport), {}, CpuHost());
  ASSERT_TRUE(planned.ok()) << planned.status();
  EXPECT_EQ(planned->config.max_batch_size, 4);
  EXPECT_TRUE(planned->config.dynamic_batching.has_value());
  ASSERT_EQ(planned->config.inputs.size(), 1U);
  EXPECT_EQ(planned->config.inputs[0].name, "x");
  EXPECT_EQ(planned->passport->provenance.run_id, "r1");
  EXPECT_THAT(planned->plan.decisions, Contains(HasSubstr("rows, inputs, outputs are those of the passport in")));
  EXPECT_THAT(planned->plan.warnings, ::testing::IsEmpty());
}

TEST(PassportPlanTest, SoDoesAFileInTheFolder) {
  const auto planned = PlanVersion(Beside(Script(""), kPassport), {}, CpuHost());
  ASSERT_TRUE(planned.ok()) << planned.status();
  EXPECT_EQ(planned->config.max_batch_size, 4);
  EXPECT_EQ(planned->config.signature_source, "the passport in m/1/torchferry.json");
}

TEST(PassportPlanTest, WithoutOneNothingChanges) {
  const auto planned = PlanVersion(Script(""), {}, CpuHost());
  ASSERT_TRUE(planned.ok()) << planned.status();
  EXPECT_EQ(planned->passport, nullptr);
  EXPECT_TRUE(planned->config.inputs.empty());
  EXPECT_EQ(planned->config.signature_source, "config.pbtxt");
}

TEST(PassportPlanTest, TwoThatSayTheSameAreOne) {
  const std::string same = std::string(kPassport) + "\n";
  EXPECT_TRUE(Refusal(Beside(Script(kPassport), same)).ok());
}

TEST(PassportPlanTest, TwoThatDifferAreRefusedByTheFieldAndBothFiles) {
  std::string other = kPassport;
  other.replace(other.find("\"r1\""), 4, "\"r2\"");
  const absl::Status status = Refusal(Beside(Script(kPassport), other));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(base::MessageOf(status),
              AllOf(HasSubstr("the passport in m/1/model.pt"), HasSubstr("the passport in m/1/torchferry.json"),
                    HasSubstr("origin.run_id is \"r1\" and \"r2\""), HasSubstr("remove m/1/")));
}

TEST(PassportPlanTest, OneThatIsWrongIsRefusedByItsFile) {
  EXPECT_THAT(base::MessageOf(Refusal(Script("{"))),
              AllOf(HasSubstr("the passport in"), HasSubstr("is no JSON"), HasSubstr("or remove it")));
  EXPECT_THAT(base::MessageOf(Refusal(Beside(Script(""), "[]"))),
              HasSubstr("the passport in m/1/torchferry.json: it is a list"));
  const absl::Status later = Refusal(Script(R"({"format": "torchferry-passport", "version": 7})"));
  EXPECT_EQ(later.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(base::MessageOf(later), AllOf(HasSubstr("version is 7"), HasSubstr("update the server")));
  EXPECT_THAT(base::MessageOf(Refusal(Script(std::string(300'000, ' ')))),
              AllOf(HasSubstr("extra/torchferry.json"), HasSubstr("300000 bytes; at most 262144")));
  EXPECT_THAT(base::MessageOf(Refusal(Beside(Script(""), std::string(300'000, ' ')))),
              AllOf(HasSubstr("m/1/torchferry.json"), HasSubstr("300000 bytes; at most 262144")));
}

TEST(PassportPlanTest, WhatContradictsTheConfigIsRefused) {
  config::ModelConfig config;
  config.is_max_batch_size_given = true;
  config.max_batch_size = 8;
  const absl::Status status = Refusal(Script(kPassport), config);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(base::MessageOf(status), HasSubstr("max_batch_size is 8 in config.pbtxt, and the passport in"));
}

TEST(PassportPlanTest, FieldsThatNobodyKnowsAreAWarning) {
  const auto planned =
      PlanVersion(Script(R"({"format": "torchferry-passport", "version": 1, "later": 1})"), {}, CpuHost());
  ASSERT_TRUE(planned.ok()) << planned.status();
  EXPECT_THAT(planned->plan.warnings, Contains(HasSubstr("does not know and ignores: later")));
}

TEST(PassportPlanTest, MetadataOfSafetensorsHoldsOne) {
  std::string escaped;
  for (const char c : std::string(R"({"format": "torchferry-passport", "version": 1, "origin": {"run_id": "r1"}})")) {
    if (c == '"') escaped += '\\';
    escaped += c;
  }
  const std::string header = "{\"__metadata__\": {\"torchferry\": \"" + escaped +
                             "\"}, \"w\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [0, 4]}}";
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes.push_back(static_cast<char>(header.size() >> (8 * i)));
  VersionFiles files;
  files.model = AsFile(bytes + header + std::string(4, '\0'));
  files.format = checkpoint::FileFormat::kSafetensors;
  const auto planned = PlanVersion(files, {}, CpuHost());
  ASSERT_TRUE(planned.ok()) << planned.status();
  ASSERT_NE(planned->passport, nullptr);
  EXPECT_EQ(planned->passport->provenance.run_id, "r1");
}

}  // namespace
}  // namespace torchferry::plan
