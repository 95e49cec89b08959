// The plan of real files: the checkpoint reader's fixtures, and archives written here.
#include "server/plan/load_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/base/status.h"
#include "server/checkpoint/test_files.h"

namespace torchferry::plan {
namespace {

using checkpoint::testing::AsFile;
using checkpoint::testing::Fixture;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

PlanContext CpuHost() {
  PlanContext context;
  context.devices = {tensor::DeviceId::Cpu()};
  context.device_types = {"cuda", "cpu"};
  return context;
}

VersionFiles Files(std::shared_ptr<const checkpoint::File> model,
                   checkpoint::FileFormat format = checkpoint::FileFormat::kZipCheckpoint) {
  VersionFiles files;
  files.model = std::move(model);
  files.format = format;
  return files;
}

std::string Script(const std::string& code, const std::string& version = "10\n") {
  return checkpoint::testing::ZipBuilder()
      .Add("m/data.pkl", checkpoint::testing::Pickle(checkpoint::testing::Global("__torch__", "M") + ")\x81}b"))
      .Add("m/constants.pkl", checkpoint::testing::Pickle(")"))
      .Add("m/code/__torch__.py",
           "class M(Module):\n  def forward(self: __torch__.M,\n    x: Tensor) -> Tensor:\n" + code)
      .Add("m/version", version)
      .Build();
}

absl::Status PlanScript(const std::string& code, const std::string& version = "10\n", config::ModelConfig config = {}) {
  return PlanVersion(Files(AsFile(Script(code, version)), checkpoint::FileFormat::kTorchScript), config, CpuHost())
      .status();
}

TEST(LoadPlanTest, SaysWhatIsInTheFileAndWhereItRuns) {
  const auto planned = PlanVersion(Files(Fixture("cuda_tags.pt")), {}, CpuHost());
  ASSERT_TRUE(planned.ok()) << planned.status();
  EXPECT_THAT(planned->plan.saved_devices, Contains("cuda:0"));
  EXPECT_EQ(tensor::ToString(planned->plan.placement.device), "cpu");
  EXPECT_FALSE(planned->plan.placement.fallback);
  EXPECT_EQ(planned->names.size(), planned->checkpoint->tensors().size());
  EXPECT_THAT(planned->plan.decisions, Contains(HasSubstr("device cpu")));
}

TEST(LoadPlanTest, TheConfigurationsKeyOpensATrainingCheckpoint) {
  const VersionFiles files = Files(Fixture("training.pt"));
  EXPECT_EQ(PlanVersion(files, {}, CpuHost()).status().code(), absl::StatusCode::kInvalidArgument);
  config::ModelConfig config;
  config.state_dict.key = "ema.model";
  const auto planned = PlanVersion(files, config, CpuHost());
  ASSERT_TRUE(planned.ok()) << planned.status();
  EXPECT_EQ(planned->plan.state_dict_key, "ema.model");
  EXPECT_THAT(planned->plan.decisions, Contains("state_dict under \"ema.model\", as state_dict.key says"));
}

TEST(LoadPlanTest, AnArchitecturesNamesAndShapesAreHeldAgainstTheKeys) {
  VersionFiles files = Files(Fixture("module.pt"));
  files.architecture = Architecture::kTorchScript;
  files.architecture_file = Fixture("scripted.pt");
  const auto planned = PlanVersion(files, {}, CpuHost());
  EXPECT_THAT(base::MessageOf(planned.status()), AllOf(HasSubstr("module.pt"), HasSubstr("Missing: ")));
  files.architecture_file = Fixture("tied.pt");
  EXPECT_THAT(base::MessageOf(PlanVersion(files, {}, CpuHost()).status()),
              AllOf(HasSubstr("tied.pt is a state_dict"), HasSubstr("torch.jit.script")));
}

TEST(LoadPlanTest, TorchScriptWhereAStateDictIsDeclared) {
  config::ModelConfig config;
  config.state_dict.is_declared = true;
  EXPECT_THAT(base::MessageOf(PlanScript("    return x\n", "10\n", config)),
              AllOf(HasSubstr("is a TorchScript archive"), HasSubstr("declares a state_dict")));
}

TEST(LoadPlanTest, AForwardPyBesideATorchScriptArchiveIsNotUsed) {
  VersionFiles files = Files(Fixture("scripted.pt"), checkpoint::FileFormat::kTorchScript);
  files.architecture = Architecture::kForwardPy;
  files.architecture_file = AsFile("def forward(self, x): return x", "m/forward.py");
  const auto planned = PlanVersion(files, {}, CpuHost());
  ASSERT_TRUE(planned.ok()) << planned.status();
  EXPECT_THAT(planned->plan.decisions, Contains(HasSubstr("m/forward.py is not used")));
}

TEST(LoadPlanTest, ANewerFormatAndForeignOperatorsAreToldBeforeLibTorchIsAsked) {
  EXPECT_TRUE(PlanScript("    return x\n").ok());
  EXPECT_THAT(base::MessageOf(PlanScript("    return x\n", "11\n")),
              AllOf(HasSubstr("a newer PyTorch"), HasSubstr("version 11"), HasSubstr("10 and older")));
  EXPECT_THAT(
      base::MessageOf(PlanScript("    a = ops.torchvision.nms(x, x, 0.5)\n    b = ops.torchvision.nms(x, x, 1.)\n"
                                 "    return ops.zoo.f(a)\n")),
      HasSubstr("not PyTorch's own: torchvision::nms, zoo::f."));
  EXPECT_EQ(PlanScript("    torch.save(x, \"f\")\n").code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(PlanScript("    return x\n", "ten\n").code(), absl::StatusCode::kDataLoss);
}

TEST(LoadPlanTest, ATypeOfDeviceThatNoProviderHasIsAMistake) {
  PlanContext context = CpuHost();
  context.default_device = "tpu:0";
  const auto planned = PlanVersion(Files(Fixture("module.pt")), {}, context);
  EXPECT_EQ(planned.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(base::MessageOf(planned.status()), HasSubstr("it knows: cuda, cpu"));
}

}  // namespace
}  // namespace torchferry::plan
