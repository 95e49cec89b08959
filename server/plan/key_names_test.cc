#include "server/plan/key_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/base/status.h"
#include "server/checkpoint/limits.h"

namespace torchferry::plan {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Keys = std::vector<std::string>;

struct Case {
  std::string title;
  Keys keys;
  Keys names;
  Keys removed;
  bool is_lightning = false;
};

TEST(KeyNamesTest, WrappersAreTakenAwayWhereNothingElseHasTheirPlace) {
  for (const Case& c : std::vector<Case>{
           {"plain", {"a.w", "b"}, {"a.w", "b"}, {}},
           {"none", {}, {}, {}},
           {"DataParallel", {"module.a.w", "module.b"}, {"a.w", "b"}, {"module."}},
           {"torch.compile", {"_orig_mod.a.w"}, {"a.w"}, {"_orig_mod."}},
           {"compiled part", {"a._orig_mod.w", "b"}, {"a.w", "b"}, {"_orig_mod."}},
           {"both", {"_orig_mod.module.a.w", "_orig_mod.module.b"}, {"a.w", "b"}, {"_orig_mod.", "module."}},
           {"the other way", {"module._orig_mod.a.w"}, {"a.w"}, {"_orig_mod.", "module."}},
           {"twice", {"module.module.w"}, {"w"}, {"module."}},
           {"in the middle", {"enc.module.a.w", "enc.module.b", "head.w"}, {"enc.a.w", "enc.b", "head.w"}, {"module."}},
           {"FSDP", {"_fsdp_wrapped_module.l.0._fsdp_wrapped_module.w"}, {"l.0.w"}, {"_fsdp_wrapped_module."}},
           {"checkpointed",
            {"l.0._checkpoint_wrapped_module.w", "l.1.w"},
            {"l.0.w", "l.1.w"},
            {"_checkpoint_wrapped_module."}},
           {"a child of that name", {"module.a", "head.w"}, {"module.a", "head.w"}, {}},
           {"a tensor of that name", {"module"}, {"module"}, {}},
           {"AveragedModel", {"n_averaged", "module.w"}, {"", "w"}, {"module."}},
           {"a counter alone", {"n_averaged", "w"}, {"n_averaged", "w"}, {}},
           {"model. alone stays", {"model.w"}, {"model.w"}, {}},
           {"Lightning", {"model.w", "model.b"}, {"w", "b"}, {"model."}, true},
           {"Lightning, compiled", {"model._orig_mod.w"}, {"w"}, {"_orig_mod.", "model."}, true},
           {"Lightning with more", {"model.w", "loss.w"}, {"model.w", "loss.w"}, {}, true},
       }) {
    const auto planned = PlanKeyNames(c.keys, std::nullopt, c.is_lightning, {});
    ASSERT_TRUE(planned.ok()) << c.title << planned.status();
    EXPECT_THAT(planned->names, ElementsAreArray(c.names)) << c.title;
    EXPECT_THAT(planned->removed, ElementsAreArray(c.removed)) << c.title;
    EXPECT_EQ(planned->decisions.empty(), c.names == c.keys) << c.title;
  }
}

TEST(KeyNamesTest, DecisionsCountTheKeys) {
  const Keys keys = {"enc.module.a", "enc.module.b", "head.w"};
  EXPECT_THAT(PlanKeyNames(keys, std::nullopt, false, {})->decisions,
              ElementsAre("prefix \"module.\" removed from 2 of 3 keys"));
}

TEST(KeyNamesTest, CollisionsAreRefusedWithBothKeys) {
  const auto planned = PlanKeyNames(Keys{"fc.w", "_orig_mod.fc.w"}, std::nullopt, false, {});
  EXPECT_EQ(planned.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(base::MessageOf(planned.status()),
              AllOf(HasSubstr("\"fc.w\" and \"_orig_mod.fc.w\""), HasSubstr("strip_prefix")));
  EXPECT_TRUE(PlanKeyNames(Keys{"fc.w", "_orig_mod.fc.w"}, "", false, {}).ok());
}

TEST(KeyNamesTest, TheConfigurationWins) {
  const Keys keys = {"net.w", "net.b", "other"};
  const auto stripped = PlanKeyNames(keys, "net.", false, {});
  ASSERT_TRUE(stripped.ok());
  EXPECT_THAT(stripped->names, ElementsAre("w", "b", "other"));
  EXPECT_THAT(PlanKeyNames(Keys{"module.w"}, "", false, {})->names, ElementsAre("module.w"));
  const auto wrong = PlanKeyNames(keys, "model.", false, {});
  EXPECT_THAT(base::MessageOf(wrong.status()), AllOf(HasSubstr("no key begins with \"model.\""), HasSubstr("net.w")));
  EXPECT_THAT(base::MessageOf(PlanKeyNames(Keys{"w", "a.w"}, "a.", false, {}).status()),
              HasSubstr("would both be \"w\""));
}

TEST(KeyNamesTest, FlatParametersSayHowToSaveWholeOnes) {
  for (const std::string key : {"_fsdp_wrapped_module._flat_param", "l.0.flat_param", "_flat_param_1"}) {
    const auto planned = PlanKeyNames(Keys{key}, std::nullopt, false, {});
    EXPECT_THAT(base::MessageOf(planned.status()), HasSubstr("FULL_STATE_DICT")) << key;
  }
}

TEST(KeyNamesTest, AnArchitecturesNamesDecide) {
  const auto names = [](Keys keys, std::set<std::string, std::less<>> tensors) {
    return PlanKeyNames(keys, std::nullopt, false, {std::move(tensors), nullptr})->names;
  };
  EXPECT_THAT(names({"module.w"}, {"module.w"}), ElementsAre("module.w"));
  EXPECT_THAT(names({"module.w"}, {"w"}), ElementsAre("w"));
  EXPECT_THAT(names({"model.w", "model.b"}, {"w", "b"}), ElementsAre("w", "b"));
  EXPECT_THAT(names({"_orig_mod.a.module.w"}, {"a.module.w"}), ElementsAre("a.module.w"));
  EXPECT_THAT(names({"_orig_mod.a.module.w"}, {"a.w"}), ElementsAre("a.w"));
  // What fits nowhere stays, and is then said to be unexpected.
  EXPECT_THAT(names({"module.w"}, {"v"}), ElementsAre("module.w"));
}

TEST(KeyNamesTest, WhatForwardPyReadsIsNoWrapper) {
  const auto names = [](Keys keys, std::string source) {
    return PlanKeyNames(keys, std::nullopt, false,
                        {std::nullopt, [source](std::string_view name) { return MentionsAttribute(source, name); }})
        ->names;
  };
  EXPECT_THAT(names({"module.w"}, "self.module.w"), ElementsAre("module.w"));
  EXPECT_THAT(names({"module.w"}, "self.w"), ElementsAre("w"));
  EXPECT_THAT(names({"model.w"}, "self.model.w"), ElementsAre("model.w"));
  EXPECT_THAT(names({"model.w"}, "self.w"), ElementsAre("w"));
}

TEST(MentionsAttributeTest, LooksForWholeWordsBehindADotOrInQuotes) {
  EXPECT_TRUE(MentionsAttribute("x = self.module.w", "module"));
  EXPECT_TRUE(MentionsAttribute("getattr(self, \"module\")", "module"));
  EXPECT_TRUE(MentionsAttribute("a.modules + b.module", "module"));
  EXPECT_FALSE(MentionsAttribute("self.modules", "module"));
  EXPECT_FALSE(MentionsAttribute("# the module", "module"));
  EXPECT_FALSE(MentionsAttribute("self.my_module", "module"));
  EXPECT_FALSE(MentionsAttribute("", "module"));
}

TEST(KeyNamesTest, LongKeysAreRefusedByTheirSize) {
  const auto error = [](const Keys& keys) {
    return base::MessageOf(PlanKeyNames(keys, std::nullopt, false, {}).status());
  };
  EXPECT_THAT(error({std::string(limits::kMaxKeyBytes + 1, 'a')}), AllOf(HasSubstr("4097 bytes"), HasSubstr("4096")));
  EXPECT_THAT(error({std::string(30'000, '.')}), HasSubstr("30000 bytes"));
  EXPECT_THAT(error({std::string(limits::kMaxKeyParts, '.')}), AllOf(HasSubstr("201 parts"), HasSubstr("200 deep")));
  EXPECT_THAT(error(Keys(limits::kMaxPartsOfKeys / 100, std::string(100, '.'))), HasSubstr("2020000 parts"));
}

TEST(KeyNamesTest, ManyPartsTakeOnePass) {
  Keys keys;
  for (size_t i = 0; i < limits::kMaxPartsOfKeys / limits::kMaxKeyParts / 4; ++i) {
    std::string key = std::to_string(i);
    for (size_t part = 1; part < limits::kMaxKeyParts; ++part) key += ".module";
    keys.push_back(std::move(key));
  }
  const auto planned = PlanKeyNames(keys, std::nullopt, false, {});
  ASSERT_TRUE(planned.ok()) << planned.status();
  EXPECT_EQ(planned->names[7], "7.module") << "the last part is a tensor";
}

}  // namespace
}  // namespace torchferry::plan
