// Load, Unload and Rescan, over a store in a temporary folder.
#include <gmock/gmock.h>

#include <chrono>
#include <future>
#include <latch>
#include <thread>

#include "server/base/status.h"
#include "server/registry/test_registry.h"

namespace torchferry::registry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using RegistryChangesTest = RegistryTest;

TEST_F(RegistryChangesTest, LoadTakesTheNewVersionAndThenLetsTheOldOneGo) {
  store_.Put("m", 1);
  Begin();
  store_.Put("m", 2);
  std::shared_ptr<serving::Servable> in_flight = registry_.Find("m", 0).value();
  EXPECT_TRUE(Load("m").get().ok());
  EXPECT_EQ(States(), "2 ready, 1 unloading");
  EXPECT_EQ(registry_.Find("m", 0).value()->version(), 2);
  EXPECT_EQ(in_flight->version(), 1);
  in_flight.reset();
  WaitForStates("2 ready");
}

TEST_F(RegistryChangesTest, LoadLeavesAloneWhatHasNotChanged) {
  store_.Put("m", 1);
  Begin();
  EXPECT_TRUE(Load("m").get().ok());
  EXPECT_THAT(loaded, ElementsAre(1));
  store_.Put("m", 1, "another model");
  EXPECT_TRUE(Load("m").get().ok());
  EXPECT_THAT(loaded, ElementsAre(1, 1));
  EXPECT_EQ(States(), "1 ready");
}

TEST_F(RegistryChangesTest, AVersionThatFailsLeavesTheOldOneServing) {
  store_.Put("m", 1);
  Begin();
  store_.Put("m", 2);
  failing = 2;
  const absl::Status failed = Load("m").get();
  EXPECT_EQ(failed.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(base::MessageOf(failed), HasSubstr("version 2"));
  EXPECT_EQ(States(), "2 failed, 1 ready");
  EXPECT_EQ(registry_.Find("m", 0).value()->version(), 1);
  failing = 0;
  EXPECT_TRUE(Load("m").get().ok());
  WaitForStates("2 ready");
}

TEST_F(RegistryChangesTest, AReplacementThatFailedFailsAgainWhenItIsAskedForAgain) {
  store_.Put("m", 1);
  Begin();
  store_.Put("m", 1, "another model");
  failing = 1;
  for (int i = 0; i < 2; ++i) EXPECT_EQ(Load("m").get().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(States(), "1 ready") << "what was loaded before";
  Rescan();
  Rescan();
  EXPECT_THAT(loaded, ElementsAre(1, 1, 1)) << "nobody asked";
  failing = 0;
  EXPECT_TRUE(Load("m").get().ok());
  EXPECT_TRUE(Load("m").get().ok());
  EXPECT_THAT(loaded, ElementsAre(1, 1, 1, 1));
}

TEST_F(RegistryChangesTest, AVersionThatComesBackIsNotTakenAwayByTheEndOfItsFormerSelf) {
  store_.Put("m", 1);
  Begin();
  store_.Put("m", 2);
  std::shared_ptr<serving::Servable> former = registry_.Find("m", 1).value();
  EXPECT_TRUE(Load("m").get().ok());
  EXPECT_TRUE(Load("m", {1}).get().ok());
  WaitForStates("1 ready");
  std::shared_ptr<serving::Servable> now = registry_.Find("m", 1).value();
  EXPECT_NE(now, former);
  former.reset();
  EXPECT_TRUE(Load("m", {1}).get().ok());
  now.reset();
  EXPECT_TRUE(Unload("m").get().ok());  // after the former one: the reaper is one thread
  EXPECT_EQ(States(), "1 unloaded");
}

TEST_F(RegistryChangesTest, UnloadAnswersWhenTheLastRequestHasEnded) {
  store_.Put("m", 1);
  Begin();
  std::shared_ptr<serving::Servable> in_flight = registry_.Find("m", 0).value();
  Answer first = Unload("m");
  WaitForStates("1 unloading");
  Answer second = Unload("m", 1);
  EXPECT_EQ(registry_.Find("m", 0).status().code(), absl::StatusCode::kUnavailable);
  Rescan();  // the thread has gone on to other work
  EXPECT_EQ(first.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  EXPECT_EQ(second.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  in_flight.reset();
  EXPECT_TRUE(first.get().ok());
  EXPECT_TRUE(second.get().ok());
  EXPECT_EQ(States(), "1 unloaded");
  EXPECT_EQ(registry_.Find("m", 0).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Unload("m").get().code(), absl::StatusCode::kNotFound);
}

TEST_F(RegistryChangesTest, UnloadOfWhatIsNotThereNamesWhatIs) {
  store_.Put("m", 1);
  Begin();
  EXPECT_THAT(base::MessageOf(Unload("n").get()), HasSubstr("it has: m"));
  EXPECT_THAT(base::MessageOf(Unload("m", 7).get()), HasSubstr("it has: 1"));
  EXPECT_THAT(base::MessageOf(Load("m", {7}).get()), HasSubstr("it has: 1"));
}

TEST_F(RegistryChangesTest, WhatFailedCanBeUnloaded) {
  store_.Put("bad", 1);
  Begin();
  EXPECT_TRUE(Unload("bad").get().ok());
  EXPECT_EQ(States("bad"), "1 unloaded");
}

TEST_F(RegistryChangesTest, StopAnswersWhoStillWaits) {
  store_.Put("m", 1);
  Begin();
  std::shared_ptr<serving::Servable> in_flight = registry_.Find("m", 0).value();
  Answer unloaded = Unload("m");
  WaitForStates("1 unloading");
  std::thread holder([&, handle = std::move(in_flight)]() mutable {
    WaitUntilStopping();
    handle.reset();
  });
  registry_.Stop();
  EXPECT_TRUE(unloaded.get().ok());
  EXPECT_EQ(Load("m").get().code(), absl::StatusCode::kUnavailable);
  holder.join();
}

TEST_F(RegistryChangesTest, RescanTakesWhatHasBeenTheSameForTwoLooks) {
  store_.Put("m", 1);
  Begin();
  store_.Put("m", 2, "half of a m");
  Rescan();
  store_.Put("m", 2, "the whole of a model");
  Rescan();
  EXPECT_EQ(States(), "1 ready");
  Rescan();
  WaitForStates("2 ready");
  Rescan();
  EXPECT_THAT(loaded, ElementsAre(1, 2));
}

TEST_F(RegistryChangesTest, RescanLetsGoOfModelsThatAreGone) {
  store_.Put("m", 1);
  Begin();
  store_.Remove("m");
  Rescan();
  WaitForStates("");
  EXPECT_THAT(registry_.List(), IsEmpty());
}

TEST_F(RegistryChangesTest, AFolderThatIsNoModelIsNoneUntilItHasAVersion) {
  store_.Put("m", 1);
  std::filesystem::create_directories(std::filesystem::path(store_.path()) / "docs" / "images");
  Begin();
  EXPECT_EQ(States("docs"), "");
  EXPECT_EQ(NotReadyReason(registry_.List(), ReadinessPolicy::kAll), "");
  const absl::Status status = Load("docs").get();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(base::MessageOf(status), HasSubstr("docs/ is no model"));
  EXPECT_EQ(States("docs"), "");
  Rescan();
  Rescan();
  EXPECT_EQ(States("docs"), "");
  store_.Put("docs", 1);
  Rescan();
  Rescan();
  WaitForStates("1 ready", "docs");
}

TEST_F(RegistryChangesTest, ALoadThatFailsChangesNothingForRescan) {
  store_.Put("m", 1);
  Begin();
  store_.Put("m", 2);
  failing = 2;
  EXPECT_EQ(Load("m", {2}).get().code(), absl::StatusCode::kDataLoss);
  store_.Put("m", 3);
  for (int look = 0; look < 2; ++look) Rescan();
  WaitForStates("3 ready");
}

TEST_F(RegistryChangesTest, AVersionThatWasUnloadedStaysAwayAndOthersCome) {
  store_.Put("m", 1);
  store_.Put("m", 2);
  store_.Put("m", 3);
  store_.PutConfig("m", "version_policy { all {} }");
  Begin();
  EXPECT_TRUE(Unload("m", 2).get().ok());
  store_.Put("m", 4);
  for (int look = 0; look < 3; ++look) Rescan();
  EXPECT_EQ(States(), "4 ready, 3 ready, 2 unloaded, 1 ready");
  EXPECT_TRUE(Load("m").get().ok());
  EXPECT_EQ(States(), "4 ready, 3 ready, 2 ready, 1 ready");
}

TEST_F(RegistryChangesTest, ReadinessDoesNotWaitForWhatIsBroughtBack) {
  store_.Put("m", 1);
  store_.Put("n", 1);
  Begin();
  EXPECT_TRUE(Unload("n").get().ok());
  std::latch go_on(1);
  on_load = [&] { go_on.wait(); };
  Answer brought_back = Load("n");
  WaitForStates("1 loading", "n");
  EXPECT_EQ(NotReadyReason(registry_.List(), ReadinessPolicy::kAny), "");
  go_on.count_down();
  EXPECT_TRUE(brought_back.get().ok());
}

TEST_F(RegistryChangesTest, WhatFailedAndWasUnloadedHasNoErrorAnyMore) {
  store_.Put("bad", 1);
  Begin();
  EXPECT_TRUE(Unload("bad").get().ok());
  EXPECT_TRUE(registry_.List("bad").at(0).error.ok());
}

TEST_F(RegistryChangesTest, RescanLeavesAloneWhatWasChosenByHand) {
  store_.Put("m", 1);
  store_.Put("n", 1);
  Begin();
  EXPECT_TRUE(Load("m", {1}).get().ok());
  EXPECT_TRUE(Unload("n").get().ok());
  store_.Put("m", 2);
  store_.Put("n", 2);
  for (int look = 0; look < 3; ++look) Rescan();
  EXPECT_EQ(States(), "1 ready");
  EXPECT_EQ(States("n"), "1 unloaded");
  EXPECT_TRUE(Load("n").get().ok());
  EXPECT_EQ(States("n"), "2 ready");
}

}  // namespace
}  // namespace torchferry::registry
