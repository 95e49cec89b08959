// Plans of real programs: testdata/make_fixtures.py.
#include "server/plan/program_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/base/status.h"
#include "server/checkpoint/test_files.h"

namespace torchferry::plan {
namespace {

using checkpoint::FileFormat;
using checkpoint::testing::AsFile;
using checkpoint::testing::Fixture;
using checkpoint::testing::FixtureBytes;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

std::shared_ptr<const checkpoint::File> Own(const std::string& name) {
  return AsFile(FixtureBytes("../../plan/testdata/" + name), "m/1/" + name);
}

PlanContext CpuHost() {
  PlanContext context;
  context.devices = {tensor::DeviceId::Cpu()};
  context.device_types = {"cuda", "cpu"};
  context.torchscript = false;  // a program is none
  return context;
}

absl::StatusOr<PlannedVersion> Plan(const std::string& name, const config::ModelConfig& config = {}) {
  VersionFiles files;
  files.model = Own(name);
  files.format = FileFormat::kExportedProgram;
  return PlanVersion(files, config, CpuHost());
}

// trained.pt with the program beside it.
absl::StatusOr<PlannedVersion> PlanWeights(const config::ModelConfig& config = {},
                                           const std::string& weights = "trained.pt") {
  VersionFiles files;
  files.model = weights == "trained.pt" ? Own(weights) : Fixture(weights);
  files.format = FileFormat::kZipCheckpoint;
  files.architecture = Architecture::kProgram;
  files.architecture_file = Own("program.pt2");
  return PlanVersion(files, config, CpuHost());
}

TEST(ProgramPlanTest, AProgramSaysEverythingItself) {
  const auto planned = Plan("program.pt2");
  ASSERT_TRUE(planned.ok()) << planned.status();
  EXPECT_EQ(planned->config.max_batch_size, 16);
  EXPECT_TRUE(planned->config.dynamic_batching.has_value());
  ASSERT_EQ(planned->config.outputs.size(), 2u);
  EXPECT_EQ(planned->config.outputs[0].name, "scores");
  EXPECT_THAT(planned->program_results, ElementsAre(0u, 1u));
  EXPECT_THAT(planned->plan.producer, HasSubstr("PyTorch 2.11.0"));
  EXPECT_THAT(planned->plan.decisions,
              AllOf(Contains(HasSubstr("exported by PyTorch 2.11.0")), Contains(HasSubstr("\"scale\" was fixed to 2")),
                    Contains(HasSubstr("exported for 1 to 16 rows")), Contains(HasSubstr("device cpu"))));
  EXPECT_THAT(planned->plan.left_to_server, HasSubstr("operators"));
}

TEST(ProgramPlanTest, DevicesAndTypesAreThoseOfParametersAndBuffers) {
  const auto planned = Plan("program.pt2");
  ASSERT_TRUE(planned.ok()) << planned.status();
  EXPECT_THAT(planned->plan.saved_devices, ElementsAre("cuda:0"));
  EXPECT_THAT(planned->weight_dtypes, UnorderedElementsAre(tensor::DType::kFp32, tensor::DType::kInt64));
  EXPECT_GT(planned->plan.weight_bytes, 100u);
  EXPECT_EQ(planned->memory_facts.weight_bytes, planned->plan.weight_bytes);
  EXPECT_GT(planned->memory_facts.code_bytes, 0u);
  ASSERT_NE(planned->checkpoint, nullptr);
  EXPECT_EQ(planned->names.size(), planned->checkpoint->tensors().size());
  EXPECT_THAT(planned->names, AllOf(Contains("fc.weight"), Contains("scratch"), Contains("rates")));
}

TEST(ProgramPlanTest, OfSeveralProgramsTheConfigurationNamesOne) {
  EXPECT_EQ(Plan("programs.pt2").status().code(), absl::StatusCode::kFailedPrecondition);
  config::ModelConfig config;
  config.program = "head";
  const auto planned = Plan("programs.pt2", config);
  ASSERT_TRUE(planned.ok()) << planned.status();
  EXPECT_EQ(planned->program->name, "head");
  EXPECT_THAT(planned->config.inputs[0].dims, ElementsAre(2));
  config.program = "tail";
  EXPECT_THAT(base::MessageOf(Plan("programs.pt2", config).status()),
              AllOf(HasSubstr("tail"), HasSubstr("encoder"), HasSubstr("head")));
}

TEST(ProgramPlanTest, WhatIsForOtherFormatsIsRefusedWithAWayOut) {
  config::ModelConfig config;
  config.state_dict.is_declared = true;
  EXPECT_THAT(base::MessageOf(Plan("program.pt2", config).status()),
              AllOf(HasSubstr("declares a state_dict"), HasSubstr("architecture.pt2")));
  config = {};
  config.method = "encode";
  EXPECT_THAT(base::MessageOf(Plan("program.pt2", config).status()), HasSubstr("whose forward calls encode"));
  config = {};
  config.program = "model";
  VersionFiles files;
  files.model = Fixture("module.pt");
  files.format = FileFormat::kZipCheckpoint;
  EXPECT_THAT(base::MessageOf(PlanVersion(files, config, CpuHost()).status()),
              AllOf(HasSubstr("torchferry.program"), HasSubstr("is a state_dict")));
}

TEST(ProgramPlanTest, WhatTheConfigurationContradictsIsSaidWithTheFile) {
  config::ModelConfig config;
  config.max_batch_size = 32;
  EXPECT_THAT(base::MessageOf(Plan("program.pt2", config).status()),
              AllOf(HasSubstr("m/1/program.pt2"), HasSubstr("1 to 16 rows")));
}

TEST(ProgramPlanTest, AStateDictFillsParametersAndPersistentBuffers) {
  const auto planned = PlanWeights();
  ASSERT_TRUE(planned.ok()) << planned.status();
  EXPECT_EQ(planned->config.max_batch_size, 16);
  EXPECT_THAT(planned->plan.removed_prefixes, ElementsAre("module."));
  EXPECT_THAT(planned->names, AllOf(Contains("norm.running_mean"), Each(Not(HasSubstr("module.")))));
  EXPECT_TRUE(planned->plan.uses_architecture);
  ASSERT_NE(planned->program, nullptr);
  ASSERT_NE(planned->architecture_weights, nullptr);
  const auto& own = planned->architecture_weights->tensors();
  EXPECT_THAT(std::vector<std::string>({own.front().key, own.back().key}), Each(Not("")));
  EXPECT_GT(planned->memory_facts.copied_bytes, 0u);
}

TEST(ProgramPlanTest, KeysOfAnotherModelAreListed) {
  EXPECT_THAT(base::MessageOf(PlanWeights({}, "module.pt").status()),
              AllOf(HasSubstr("Missing: "), HasSubstr("Unexpected: "), HasSubstr("conv.weight"),
                    Not(HasSubstr("rates")), Not(HasSubstr("scratch"))));
  config::ModelConfig config;
  config.state_dict.is_declared = true;
  config.state_dict.strict = false;
  config.state_dict.strip_prefix = "module.";
  const auto planned = PlanWeights(config);
  ASSERT_TRUE(planned.ok()) << planned.status();
}

TEST(ProgramPlanTest, StateDictOfLeavesConstantsToTheProgram) {
  const auto planned = PlanWeights();
  ASSERT_TRUE(planned.ok()) << planned.status();
  std::vector<std::string> names;
  for (const ArchitectureTensor& tensor : StateDictOf(*planned->program, *planned->architecture_weights)) {
    names.push_back(tensor.name);
  }
  EXPECT_THAT(names, UnorderedElementsAre("fc.weight", "fc.bias", "norm.weight", "norm.bias", "norm.running_mean",
                                          "norm.running_var", "norm.num_batches_tracked"));
}

}  // namespace
}  // namespace torchferry::plan
