#include "server/plan/state_dict_key.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/base/status.h"

namespace torchferry::plan {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

checkpoint::CheckpointOutline Outline(std::vector<checkpoint::NestedDict> dicts, bool is_flat = false) {
  return {is_flat, std::move(dicts), {}};
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

TEST(StateDictKeyTest, TheConfigurationWins) {
  EXPECT_EQ(*ChooseStateDictKey(Outline({{"model", 4}, {"ema", 4}}), "ema"), "ema");
  EXPECT_EQ(*ChooseStateDictKey(Outline({{"x", 1}}, true), "x"), "x");
}

}  // namespace
}  // namespace torchferry::plan
