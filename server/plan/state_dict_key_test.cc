#include "server/plan/state_dict_key.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/base/status.h"

namespace torchferry::plan {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

checkpoint::CheckpointOutline Outline(std::vector<checkpoint::NestedDict> dicts, bool is_flat = false) {
  checkpoint::CheckpointOutline outline;
  outline.is_flat = is_flat;
  outline.dicts = std::move(dicts);
  return outline;
}

TEST(StateDictKeyTest, TheOnlyDictOrTheOnlyUsualNameIsTaken) {
  EXPECT_EQ(*ChooseStateDictKey(Outline({}, true), ""), "");
  EXPECT_EQ(*ChooseStateDictKey(Outline({{"_extra_state", 1}}, true), ""), "");
  EXPECT_EQ(*ChooseStateDictKey(Outline({}), ""), "");
  EXPECT_EQ(*ChooseStateDictKey(Outline({{"my_weights", 4}}), ""), "my_weights");
  for (const std::string key : {"state_dict", "model_state_dict", "model_state", "model", "net", "module", "ema",
                                "ema.state_dict", "model.net"}) {
    EXPECT_EQ(*ChooseStateDictKey(Outline({{"optimizer", 3}, {key, 4}}), ""), key);
  }
}

TEST(StateDictKeyTest, SeveralAreListedWithTheirSizes) {
  const auto both = ChooseStateDictKey(Outline({{"model", 4}, {"ema", 1}}), "");
  EXPECT_EQ(both.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(base::MessageOf(both.status()),
              AllOf(HasSubstr("\"model\" (4 tensors), \"ema\" (1 tensor)"), HasSubstr("state_dict { key:")));
  EXPECT_FALSE(ChooseStateDictKey(Outline({{"generator", 4}, {"discriminator", 4}}), "").ok());
}

TEST(StateDictKeyTest, AWholeModelBesideLessIsWhatTheFileIsAbout) {
  checkpoint::CheckpointOutline outline = Outline({{"normalizer", 2}});
  outline.objects = {{"net", "models.Net", 40}};
  const absl::Status refused = ChooseStateDictKey(outline, "").status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(base::MessageOf(refused), AllOf(HasSubstr("\"net\""), HasSubstr("models.Net"), HasSubstr("40 tensors"),
                                              HasSubstr("state_dict { key: \"normalizer\" }")));
  EXPECT_EQ(*ChooseStateDictKey(outline, "normalizer"), "normalizer");
  outline.objects = {{"optimizer", "torch.optim.adamw.AdamW", 40}, {"loss", "models.Loss", 1}};
  EXPECT_EQ(*ChooseStateDictKey(outline, ""), "normalizer");
  checkpoint::CheckpointOutline flat = Outline({}, true);
  flat.tensors = 2;
  flat.objects = {{"net", "models.Net", 3}};
  EXPECT_THAT(base::MessageOf(ChooseStateDictKey(flat, "").status()), ::testing::Not(HasSubstr("key:")));
}

TEST(StateDictKeyTest, TheConfigurationWins) {
  EXPECT_EQ(*ChooseStateDictKey(Outline({{"model", 4}, {"ema", 4}}), "ema"), "ema");
  EXPECT_EQ(*ChooseStateDictKey(Outline({{"x", 1}}, true), "x"), "x");
}

}  // namespace
}  // namespace torchferry::plan
