#include "server/torch/load/describe_version.h"

#include <gmock/gmock.h>

namespace torchferry::libtorch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

plan::LoadPlan StateDictPlan() {
  plan::LoadPlan plan;
  plan.uses_architecture = true;
  plan.format = checkpoint::FileFormat::kZipCheckpoint;
  plan.producer = "PyTorch";
  plan.saved_devices = {"cuda:1"};
  plan.saved_dtypes = {"FP16"};
  plan.state_dict_key = "model";
  plan.removed_prefixes = {"module."};
  plan.placement.requested = "auto";
  plan.placement.fallback = true;
  plan.placement.fallback_from = "cuda:0";
  plan.precision.computes_in = "FP32";
  plan.decisions = {"device cpu"};
  return plan;
}

FileFacts Facts() {
  return {.name = "m/1/model.pt",
          .path = "/store/m/1/model.pt",
          .bytes = 3,
          .architecture = "m/forward.py",
          .digest = std::make_shared<checkpoint::FileDigest>(checkpoint::File::FromBytes("abc", "m/1/model.pt"))};
}

TEST(DescribeVersionTest, SaysWhatThePlanSaysOfTheFileAndThePlacement) {
  const FileFacts facts = Facts();
  facts.digest->Wait();
  const model::ModelInfo info = DescribeVersion(facts, StateDictPlan(), std::nullopt, {});
  EXPECT_EQ(info.file_path, "m/1/model.pt");
  EXPECT_EQ(info.format, "state_dict");
  EXPECT_EQ(info.producer, "PyTorch");
  EXPECT_THAT(info.saved_devices, ElementsAre("cuda:1"));
  EXPECT_THAT(info.saved_dtypes, ElementsAre("FP16"));
  EXPECT_EQ(info.file_bytes, 3);
  // FIPS 180-2's example of SHA-256.
  EXPECT_EQ(info.sha256(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(info.architecture, "m/forward.py");
  EXPECT_EQ(info.state_dict_key, "model");
  EXPECT_THAT(info.removed_prefixes, ElementsAre("module."));
  EXPECT_EQ(info.requested_device, "auto");
  EXPECT_TRUE(info.fallback);
  EXPECT_EQ(info.fallback_from, "cuda:0");
  EXPECT_EQ(info.precision, "FP32");
  EXPECT_THAT(info.decisions, ElementsAre("device cpu"));
}

TEST(DescribeVersionTest, ATorchScriptArchiveHasNoArchitecture) {
  plan::LoadPlan plan = StateDictPlan();
  plan.format = checkpoint::FileFormat::kTorchScript;
  plan.uses_architecture = false;
  EXPECT_THAT(DescribeVersion(Facts(), plan, std::nullopt, {}).architecture, IsEmpty());
}

TEST(DescribeVersionTest, StateIsADecisionAndSoIsBatchingThatIsNotUsed) {
  ModuleState state;
  state.reason = "forward assigns self._state";
  state.is_certain = true;
  config::ModelConfig config;
  const std::string keeps = "keeps state: forward assigns self._state; each stream has its own copy, not batched";
  EXPECT_THAT(DescribeVersion(Facts(), StateDictPlan(), state, config).decisions, ElementsAre("device cpu", keeps));
  config.dynamic_batching.emplace();
  EXPECT_THAT(DescribeVersion(Facts(), StateDictPlan(), state, config).decisions,
              ElementsAre("device cpu", keeps,
                          "dynamic_batching is not used: requests of a model that keeps state share no forward pass"));
}

TEST(DescribeVersionTest, StateThatIsNotCertainSaysHowToLiftIt) {
  ModuleState state;
  state.reason = "forward may write to self.cache";
  config::ModelConfig config;
  EXPECT_THAT(DescribeVersion(Facts(), StateDictPlan(), state, config).decisions,
              ElementsAre("device cpu", HasSubstr("keeps state: forward may write to self.cache"),
                          HasSubstr("torchferry { stateful: false } in config.pbtxt")));
  config.stateful = true;
  EXPECT_THAT(DescribeVersion(Facts(), StateDictPlan(), state, config).decisions,
              ElementsAre("device cpu", HasSubstr("keeps state")));
  config.stateful = false;
  EXPECT_THAT(DescribeVersion(Facts(), StateDictPlan(), std::nullopt, config).decisions,
              ElementsAre("device cpu", "keeps no state: torchferry.stateful is false"));
}

}  // namespace
}  // namespace torchferry::libtorch
