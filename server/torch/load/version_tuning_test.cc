// Which variants make sense for a version. That they are made and measured is shown by tests/e2e/test_tuning.py.
#include "server/torch/load/version_tuning.h"

#include <gmock/gmock.h>

namespace torchferry::libtorch {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

config::OptimizeConfig Auto() {
  config::OptimizeConfig config;
  config.mode = config::OptimizeConfig::Mode::kAuto;
  return config;
}

config::OptimizeConfig List(std::vector<std::string> variants) {
  config::OptimizeConfig config;
  config.mode = config::OptimizeConfig::Mode::kList;
  config.variants = std::move(variants);
  return config;
}

TEST(VersionTuningTest, VariantsFollowWhatTheModelIsAndWhereItRuns) {
  EXPECT_THAT(VariantsFor(Auto(), {.is_on_cpu = true}), ElementsAre("plain", "frozen", "inference"));
  EXPECT_THAT(VariantsFor(Auto(), {.is_on_cpu = false}), ElementsAre("plain", "frozen"));
  EXPECT_THAT(VariantsFor(Auto(), {.is_on_cpu = false, .has_images = true}),
              ElementsAre("plain", "frozen", "channels_last"));
}

TEST(VersionTuningTest, WhatAGeneratedRowCannotShowIsOnlyTriedWhereItIsListed) {
  const VariantFacts risky{.is_on_cpu = true, .has_images = true, .branches = true, .autocasts_bf16 = true};
  EXPECT_THAT(VariantsFor(Auto(), risky), ElementsAre("plain", "frozen"));
  EXPECT_THAT(VariantsFor(List({"bf16_weights", "inference"}), risky), ElementsAre("inference", "bf16_weights"));
}

TEST(VersionTuningTest, WhatIsListedAndMakesNoSenseIsLeftOut) {
  const VariantFacts plain{.is_on_cpu = false};
  EXPECT_THAT(VariantsFor(List({"inference", "channels_last", "bf16_weights", "bf16_channels_last"}), plain),
              IsEmpty());
}

TEST(VersionTuningTest, StateAndLargeWeightsAreReasonsNotToTune) {
  EXPECT_EQ(ReasonNotToTune(false, 25, 100), "");
  EXPECT_EQ(ReasonNotToTune(false, 26, 100), "the weights are too large to be in this host's memory several times");
  EXPECT_EQ(ReasonNotToTune(false, 26, 0), "");
  EXPECT_EQ(ReasonNotToTune(true, 26, 100), "it keeps state");
}

TEST(VersionTuningTest, AVersionIsNotTunedWhereItsCopiesDoNotFitBesideWhatIsThere) {
  EXPECT_EQ(ReasonNotToTune(false, 25, 1000, 75), "");
  EXPECT_EQ(ReasonNotToTune(false, 25, 1000, 74),
            "the weights are too large to be in this host's memory several times");
}

}  // namespace
}  // namespace torchferry::libtorch
