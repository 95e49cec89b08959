#include "server/registry/plan_changes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ostream>

#include "server/base/status.h"

namespace torchferry::registry {
namespace {

using ::testing::HasSubstr;
using Policy = config::VersionPolicy;
using Versions = std::vector<int64_t>;

// A folder with `files`: version → fingerprint.
ModelFolder FolderWith(const std::map<int64_t, std::string>& files, const Policy& policy = {}) {
  config::ModelConfig config;
  config.version_policy = policy;
  ModelFolder folder{"m", config, {}, {}, files};
  for (const auto& [version, fingerprint] : files) folder.versions.push_back(version);
  return folder;
}

CurrentVersion Serving(int64_t version, std::string fingerprint = "a") {
  return {version, true, std::move(fingerprint)};
}
CurrentVersion NotServing(int64_t version, std::string fingerprint = "a") {
  return {version, false, std::move(fingerprint)};
}

const Policy kAll = {.kind = Policy::Kind::kAll, .specific = {}};
const Policy kLatestTwo = {.kind = Policy::Kind::kLatest, .latest = 2, .specific = {}};

Policy Specific(Versions versions) { return {.kind = Policy::Kind::kSpecific, .specific = std::move(versions)}; }

struct Case {
  std::string name;
  std::map<int64_t, std::string> files;
  Policy policy;
  std::vector<CurrentVersion> current;
  Versions named;
  std::set<int64_t> away;
  Changes expected;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

class PlanChangesTest : public ::testing::TestWithParam<Case> {};

TEST_P(PlanChangesTest, LoadsAndRetires) {
  const Case& c = GetParam();
  const auto changes = PlanChanges(FolderWith(c.files, c.policy), c.current, c.named, c.away);
  ASSERT_TRUE(changes.ok()) << changes.status();
  EXPECT_EQ(changes->load, c.expected.load);
  EXPECT_EQ(changes->retire, c.expected.retire);
}

INSTANTIATE_TEST_SUITE_P(
    Policy, PlanChangesTest,
    ::testing::Values(
        Case{"NothingIsNew", {{1, "a"}}, {}, {Serving(1)}, {}, {}, {{}, {}}},
        Case{"TheFirstVersion", {{1, "a"}}, {}, {}, {}, {}, {{1}, {}}},
        Case{"ANewVersionReplacesTheOld", {{1, "a"}, {2, "a"}}, {}, {Serving(1)}, {}, {}, {{2}, {1}}},
        Case{"AVersionIsGone", {{1, "a"}}, {}, {Serving(2), Serving(1)}, {}, {}, {{}, {2}}},
        Case{"TheLatestIsGoneAndTheOneBeforeComesBack", {{1, "a"}}, {}, {Serving(2)}, {}, {}, {{1}, {2}}},
        Case{"LatestTwo", {{1, "a"}, {2, "a"}, {3, "a"}}, kLatestTwo, {Serving(1)}, {}, {}, {{3, 2}, {1}}},
        Case{"AllKeepsTheOld", {{1, "a"}, {2, "a"}}, kAll, {Serving(1)}, {}, {}, {{2}, {}}},
        Case{"SpecificLeavesTheLatestOut", {{1, "a"}, {2, "a"}}, Specific({1}), {Serving(2)}, {}, {}, {{1}, {2}}},
        Case{"SpecificSkipsWhatTheStoreHasNot", {{1, "a"}}, Specific({1, 7}), {}, {}, {}, {{1}, {}}},
        Case{"TheUnreadableFolderGoes", {{1, "a"}}, {}, {NotServing(0, "")}, {}, {}, {{1}, {0}}}),
    [](const auto& param) { return param.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Files, PlanChangesTest,
    ::testing::Values(
        Case{"ChangedFilesAreLoadedAgain", {{1, "b"}}, {}, {Serving(1)}, {}, {}, {{1}, {}}},
        Case{"OnlyTheChangedVersion", {{1, "a"}, {2, "b"}}, kAll, {Serving(2), Serving(1)}, {}, {}, {{2}, {}}},
        Case{"OneThatFailedIsTriedAgain", {{1, "a"}}, {}, {NotServing(1)}, {}, {}, {{1}, {}}},
        // The files of version 1 failed to replace what it serves; they are the same still.
        Case{"AReplacementThatFailedIsNotTriedAgain", {{1, "b"}}, {}, {Serving(1, "b")}, {}, {}, {{}, {}}},
        Case{"AFailedNewVersionLeavesTheOldUntilItServes",
             {{1, "a"}, {2, "a"}},
             {},
             {NotServing(2), Serving(1)},
             {},
             {},
             {{2}, {1}}}),
    [](const auto& param) { return param.param.name; });

TEST(PlanAskedForTest, AReplacementThatFailedIsTriedAgain) {
  ModelFolder folder{"m", config::ModelConfig{}, {1}, {}, {{1, "b"}}};
  const CurrentVersion stale{.version = 1, .is_serving = true, .fingerprint = "b", .is_stale = true};
  EXPECT_EQ(PlanChanges(folder, {stale}, {}, {}, /*is_asked_for=*/false).value(), (Changes{{}, {}}));
  EXPECT_EQ(PlanChanges(folder, {stale}, {}, {}, /*is_asked_for=*/true).value(), (Changes{{1}, {}}));
}

INSTANTIATE_TEST_SUITE_P(
    ByHand, PlanChangesTest,
    ::testing::Values(
        Case{"ANamedVersionReplacesThePolicys", {{1, "a"}, {2, "a"}}, {}, {Serving(2)}, {1}, {}, {{1}, {2}}},
        Case{"ANamedVersionThatServesStays", {{1, "a"}, {2, "a"}}, {}, {Serving(1)}, {1}, {}, {{}, {}}},
        Case{"NamedVersionsLoadInTheirOrder", {{1, "a"}, {2, "a"}}, {}, {}, {2, 1}, {}, {{2, 1}, {}}},
        Case{"AVersionThatIsNamedTwiceLoadsOnce", {{1, "a"}}, {}, {}, {1, 1}, {}, {{1}, {}}},
        Case{"AVersionThatIsAwayStaysAway", {{1, "a"}, {2, "a"}}, kAll, {NotServing(2), Serving(1)}, {}, {2}, {}},
        Case{"OthersComeBesideOneThatIsAway",
             {{1, "a"}, {2, "a"}, {3, "a"}},
             kAll,
             {NotServing(2), Serving(1)},
             {},
             {2},
             {{3}, {}}},
        Case{"TheLatestIsAwayAndNothingTakesItsPlace", {{1, "a"}, {2, "a"}}, {}, {NotServing(2)}, {}, {2}, {}},
        Case{"OneThatIsAwayIsNotRetired", {{2, "a"}}, {}, {Serving(2), NotServing(1)}, {}, {1}, {}}),
    [](const auto& param) { return param.param.name; });

TEST(PlanChangesErrorTest, AConfigThatCannotBeReadIsTheError) {
  ModelFolder folder = FolderWith({{1, "a"}});
  folder.config = absl::InvalidArgumentError("m/config.pbtxt:1: no such field");
  EXPECT_EQ(PlanChanges(folder, {Serving(1)}, {}, {}).status(), folder.config.status());
  EXPECT_EQ(PlanChanges(folder, {}, {1}, {}).status(), folder.config.status());
}

TEST(PlanChangesErrorTest, AFolderWithoutAVersionIsNotFound) {
  const absl::Status status = PlanChanges(FolderWith({}), {Serving(1)}, {}, {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(base::MessageOf(status), HasSubstr("m/1/"));
}

TEST(PlanChangesErrorTest, APolicyThatNamesNoVersionOfTheStoreIsNotFound) {
  EXPECT_EQ(PlanChanges(FolderWith({{1, "a"}}, Specific({7})), {Serving(1)}, {}, {}).status().code(),
            absl::StatusCode::kNotFound);
}

ModelMemory Memory(std::string applied, std::string seen, bool is_held = false) {
  return {std::move(applied), std::move(seen), is_held, {}};
}

TEST(IsDueTest, ActsOnAFolderThatChangedAndThenStayedTheSame) {
  EXPECT_TRUE(IsDue(Memory("a", "b"), "b"));
  EXPECT_FALSE(IsDue(Memory("a", "a"), "b"));  // it may still be written
  EXPECT_FALSE(IsDue(Memory("a", "b"), "c"));
  EXPECT_FALSE(IsDue(Memory("a", "a"), "a"));
}

TEST(IsDueTest, AModelThatIsNewIsSeenTwiceFirst) {
  EXPECT_FALSE(IsDue({}, "a"));
  EXPECT_TRUE(IsDue(Memory("", "a"), "a"));
}

TEST(IsDueTest, LeavesAHeldModelAlone) { EXPECT_FALSE(IsDue(Memory("a", "b", /*is_held=*/true), "b")); }

}  // namespace
}  // namespace torchferry::registry
