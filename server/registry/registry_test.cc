#include "server/registry/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <latch>
#include <map>
#include <thread>

#include "server/base/status.h"
#include "server/registry/test_registry.h"
#include "server/registry/version_log.h"

namespace torchferry::registry {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST_F(RegistryTest, FindsTheNewestReadyVersionAndAnExactOne) {
  ModelFolder folder = Folder("m", {1, 2, 3});
  folder.config->version_policy.kind = config::VersionPolicy::Kind::kAll;
  Begin({folder});
  EXPECT_EQ(registry_.Find("m", 0).value()->version(), 3);
  EXPECT_EQ(registry_.Find("m", 2).value()->version(), 2);
}

TEST_F(RegistryTest, NamesWhatThereIsInsteadOfAnUnknownModelOrVersion) {
  Begin({Folder("a", {1}), Folder("b", {4})});
  const absl::Status model = registry_.Find("c", 0).status();
  EXPECT_EQ(model.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(base::MessageOf(model), AllOf(HasSubstr("\"c\""), HasSubstr("a, b")));
  const absl::Status version = registry_.Find("b", 9).status();
  EXPECT_EQ(version.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(base::MessageOf(version), AllOf(HasSubstr("9"), HasSubstr("it has: 4")));
}

TEST_F(RegistryTest, AFailedVersionSaysWhyAndLeavesTheOthersAlone) {
  Begin({Folder("bad", {1}), Folder("good", {1})});
  EXPECT_TRUE(registry_.Find("good", 0).ok());
  const absl::Status bad = registry_.Find("bad", 0).status();
  EXPECT_EQ(bad.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(base::MessageOf(bad), HasSubstr("bad/1/m.pt: is damaged"));
  EXPECT_EQ(registry_.List("bad").at(0).error.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(NotReadyReason(registry_.List(), ReadinessPolicy::kAny), "");
  EXPECT_THAT(NotReadyReason(registry_.List(), ReadinessPolicy::kAll), HasSubstr("1 of 2 versions failed"));
  EXPECT_THAT(maker_.metrics().Serialize(),
              HasSubstr("torchferry_model_state{model=\"bad\",state=\"failed\",version=\"1\"} 1"));
}

TEST_F(RegistryTest, WhatIsNotLoadedYetIsUnavailable) {
  std::latch go_on(1);
  on_load = [&] { go_on.wait(); };
  registry_.Add({Folder("m", {1})});
  EXPECT_EQ(registry_.Find("m", 0).status().code(), absl::StatusCode::kUnavailable);
  registry_.StartLoading();
  EXPECT_EQ(registry_.Find("m", 1).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(NotReadyReason(registry_.List(), ReadinessPolicy::kAny), HasSubstr("1 of 1 versions are still loading"));
  go_on.count_down();
  WaitForStates("1 ready");
}

TEST_F(RegistryTest, AModelWithoutAVersionIsFailed) {
  registry_.Add({Folder("empty", {})});
  EXPECT_THAT(base::MessageOf(registry_.List("empty").at(0).error), HasSubstr("empty/1/"));
}

TEST_F(RegistryTest, AnEmptyStoreIsReady) { EXPECT_EQ(NotReadyReason(registry_.List(), ReadinessPolicy::kAll), ""); }

TEST_F(RegistryTest, WhatIsAddedAsUnloadedWaitsForItsLoad) {
  store_.Put("m", 1);
  store_.Put("m", 2);
  store_.PutConfig("m", "version_policy { all {} }");
  store_.Put("other", 1);
  std::vector<ModelFolder> models = ScanStore(store_.path()).value();
  registry_.AddUnloaded({models[0]});
  Begin({models[1]});
  EXPECT_EQ(States("m"), "2 unloaded, 1 unloaded");
  EXPECT_EQ(States("other"), "1 ready");
  EXPECT_EQ(NotReadyReason(registry_.List(), ReadinessPolicy::kAll), "");
  const absl::Status status = registry_.Find("m", 0).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(base::MessageOf(status), HasSubstr("is unloaded; LoadModel loads it"));
  EXPECT_TRUE(Load("m").get().ok());
  EXPECT_EQ(States("m"), "2 ready, 1 ready");
}

TEST_F(RegistryTest, NamesAreHeldAgainstTheStore) {
  const std::vector<ModelFolder> models = {Folder("a", {1}), Folder("b", {1})};
  EXPECT_TRUE(CheckNames(models, {}).ok());
  EXPECT_TRUE(CheckNames(models, {"*"}).ok());
  EXPECT_TRUE(CheckNames(models, {"b", "a"}).ok());
  const absl::Status status = CheckNames(models, {"a", "c"});
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(base::MessageOf(status), "the store has no model \"c\"; it has: a, b");
}

TEST_F(RegistryTest, StopWaitsForHandlesToEnd) {
  Begin({Folder("m", {1})});
  std::weak_ptr<serving::Servable> servable = registry_.Find("m", 0).value();
  registry_.Stop();
  EXPECT_TRUE(servable.expired());
}

// A worker that drops the last handle after Stop has begun: the servable ends all the same.
TEST_F(RegistryTest, StopWaitsForAHandleThatAnotherThreadStillHolds) {
  Begin({Folder("m", {1})});
  std::shared_ptr<serving::Servable> held = registry_.Find("m", 0).value();
  const std::weak_ptr<serving::Servable> servable = held;
  std::thread holder([&, handle = std::move(held)]() mutable {
    WaitUntilStopping();
    handle.reset();
  });
  registry_.Stop();
  EXPECT_TRUE(servable.expired());
  holder.join();
}

TEST(ScanStoreTest, ReadsVersionsAndKeepsABadConfigToItsModel) {
  const std::filesystem::path store = std::filesystem::path(::testing::TempDir()) / "torchferry_scan_store";
  std::filesystem::remove_all(store);
  for (const char* folder : {"a/1", "a/10", "a/2", "a/x", "a/03", "a/warmup", "b/1", ".hidden/1"})
    std::filesystem::create_directories(store / folder);
  std::ofstream(store / "b" / "config.pbtxt") << "no_such_field: 3\n";
  const auto models = ScanStore(store.string());
  ASSERT_TRUE(models.ok()) << models.status();
  ASSERT_EQ(models->size(), 2u);
  EXPECT_EQ((*models)[0].versions, (std::vector<int64_t>{1, 2, 10}));
  EXPECT_EQ((*models)[0].ignored.size(), 2u);
  EXPECT_THAT(base::MessageOf((*models)[1].config.status()), HasSubstr("b/config.pbtxt:1:"));
  std::filesystem::remove_all(store);
}

TEST(ScanStoreTest, AFolderWithoutAVersionOrAConfigIsNoModel) {
  const std::filesystem::path store = std::filesystem::path(::testing::TempDir()) / "torchferry_scan_foreign";
  std::filesystem::remove_all(store);
  for (const char* folder : {"configured", "docs/images", "lost+found", "model/1", "v/v1", "\xff/1", "\xfe"}) {
    std::filesystem::create_directories(store / folder);
  }
  std::ofstream(store / "configured" / "config.pbtxt") << "max_batch_size: 3\n";
  std::ofstream(store / "docs" / "1");  // a file
  const auto folders = ScanStore(store.string());
  ASSERT_TRUE(folders.ok()) << folders.status();
  std::map<std::string, bool> is_model;
  for (const ModelFolder& folder : *folders) is_model[folder.name] = folder.is_model;
  EXPECT_TRUE(is_model["configured"]);
  EXPECT_TRUE(is_model["model"]);
  for (const char* foreign : {"docs", "lost+found", "v"}) EXPECT_FALSE(is_model.at(foreign)) << foreign;
  const auto v = std::ranges::find(*folders, "v", &ModelFolder::name);
  EXPECT_THAT(base::MessageOf(NoModel(*v)), AllOf(HasSubstr("v1/ is no version"), HasSubstr("v/1/")));
  std::filesystem::remove_all(store);
}

TEST(ScanStoreTest, WarnsOfTheConfigurationThatCanBeRead) {
  ModelFolder folder{"m", config::ModelConfig{}, {1, 3}, {}, {}};
  EXPECT_TRUE(ConfigWarnings(folder).empty());
  folder.config->version_policy.specific = {3, 7};
  folder.config->warnings = {"m/config.pbtxt:1:1: without effect"};
  EXPECT_EQ(ConfigWarnings(folder),
            (std::vector<std::string>{"version_policy names version 7, which is not in the store",
                                      "m/config.pbtxt:1:1: without effect"}));
  folder.config = absl::InvalidArgumentError("m/config.pbtxt:1:1: no such field");
  EXPECT_TRUE(ConfigWarnings(folder).empty());
  EXPECT_EQ(WantedVersions(folder).status(), folder.config.status());
}

TEST(ScanStoreTest, NamesAStoreThatIsNone) {
  EXPECT_EQ(ScanStore("/no/such/store").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace torchferry::registry
