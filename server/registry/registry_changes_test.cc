// Load, Unload and Rescan, over a store in a temporary folder.
#include <gmock/gmock.h>

#include <fstream>
#include <future>
#include <latch>

#include "server/base/status.h"
#include "server/registry/test_registry.h"

namespace torchferry::registry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class RegistryChangesTest : public RegistryTest {
 protected:
  void SetUp() override {
    std::filesystem::remove_all(TempStore());
    std::filesystem::create_directories(TempStore());
  }
  void TearDown() override {
    registry_.Stop();
    std::filesystem::remove_all(TempStore());
  }

  // "bad" as a model's name fails to load.
  void Put(const std::string& model, int64_t version, const std::string& content = "a model") {
    const auto folder = std::filesystem::path(TempStore()) / model / std::to_string(version);
    std::filesystem::create_directories(folder);
    std::ofstream(folder / "m.pt") << content;
  }

  void Begin() {
    registry_.Add(ScanStore(TempStore()).value());
    registry_.StartLoading();
    WaitUntilLoaded();
  }

  using Answer = std::future<absl::Status>;
  template <typename Start>
  Answer Ask(Start start) {
    auto promise = std::make_shared<std::promise<absl::Status>>();
    Answer answer = promise->get_future();
    // A status of its own: Debian's absl counts references without ThreadSanitizer's knowledge.
    start([promise](const absl::Status& status) {
      promise->set_value(absl::Status(status.code(), base::MessageOf(status)));
    });
    return answer;
  }
  Answer Load(const std::string& model, std::vector<int64_t> versions = {}) {
    return Ask([&](Registry::Done done) { registry_.Load(model, versions, std::move(done)); });
  }
  Answer Unload(const std::string& model, int64_t version = 0) {
    return Ask([&](Registry::Done done) { registry_.Unload(model, version, std::move(done)); });
  }
  void Rescan() {
    EXPECT_TRUE(Ask([&](Registry::Done done) { registry_.Rescan(std::move(done)); }).get().ok());
  }

  // "2 ready, 1 unloading"; what is on its way out without being kept is gone when it has ended.
  std::string States(const std::string& model = "m") const {
    std::string text;
    for (const VersionStatus& status : registry_.List(model)) {
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", status.version, Name(status.state));
    }
    return text;
  }
  void WaitForStates(const std::string& states) {
    while (States() != states) std::this_thread::yield();
  }
};

TEST_F(RegistryChangesTest, LoadTakesTheNewVersionAndThenLetsTheOldOneGo) {
  Put("m", 1);
  Begin();
  Put("m", 2);
  std::shared_ptr<serving::Servable> under_way = registry_.Find("m", 0).value();
  EXPECT_TRUE(Load("m").get().ok());
  EXPECT_EQ(States(), "2 ready, 1 unloading");
  EXPECT_EQ(registry_.Find("m", 0).value()->version(), 2);
  EXPECT_EQ(under_way->version(), 1);
  under_way.reset();
  WaitForStates("2 ready");
}

TEST_F(RegistryChangesTest, LoadLeavesAloneWhatHasNotChanged) {
  Put("m", 1);
  Begin();
  EXPECT_TRUE(Load("m").get().ok());
  EXPECT_THAT(loaded, ElementsAre(1));
  Put("m", 1, "another model");
  EXPECT_TRUE(Load("m").get().ok());
  EXPECT_THAT(loaded, ElementsAre(1, 1));
  EXPECT_EQ(States(), "1 ready");
}

TEST_F(RegistryChangesTest, AVersionThatFailsLeavesTheOldOneServing) {
  Put("m", 1);
  Begin();
  Put("m", 2);
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

TEST_F(RegistryChangesTest, AVersionThatComesBackIsNotTakenAwayByTheEndOfItsFormerSelf) {
  Put("m", 1);
  Begin();
  Put("m", 2);
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
  Put("m", 1);
  Begin();
  std::shared_ptr<serving::Servable> under_way = registry_.Find("m", 0).value();
  Answer first = Unload("m");
  WaitForStates("1 unloading");
  Answer second = Unload("m", 1);
  EXPECT_EQ(registry_.Find("m", 0).status().code(), absl::StatusCode::kUnavailable);
  Rescan();  // the thread has gone on to other work
  EXPECT_EQ(first.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  EXPECT_EQ(second.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  under_way.reset();
  EXPECT_TRUE(first.get().ok());
  EXPECT_TRUE(second.get().ok());
  EXPECT_EQ(States(), "1 unloaded");
  EXPECT_EQ(registry_.Find("m", 0).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Unload("m").get().code(), absl::StatusCode::kNotFound);
}

TEST_F(RegistryChangesTest, UnloadOfWhatIsNotThereNamesWhatIs) {
  Put("m", 1);
  Begin();
  EXPECT_THAT(base::MessageOf(Unload("n").get()), HasSubstr("it has: m"));
  EXPECT_THAT(base::MessageOf(Unload("m", 7).get()), HasSubstr("it has: 1"));
  EXPECT_THAT(base::MessageOf(Load("m", {7}).get()), HasSubstr("it has: 1"));
}

TEST_F(RegistryChangesTest, WhatFailedCanBeUnloaded) {
  Put("bad", 1);
  Begin();
  EXPECT_TRUE(Unload("bad").get().ok());
  EXPECT_EQ(States("bad"), "1 unloaded");
}

TEST_F(RegistryChangesTest, StopAnswersWhoStillWaits) {
  Put("m", 1);
  Begin();
  std::shared_ptr<serving::Servable> under_way = registry_.Find("m", 0).value();
  Answer unloaded = Unload("m");
  WaitForStates("1 unloading");
  std::latch stopping(1);
  std::thread holder([&, handle = std::move(under_way)]() mutable {
    stopping.wait();
    handle.reset();
  });
  stopping.count_down();
  registry_.Stop();
  EXPECT_TRUE(unloaded.get().ok());
  EXPECT_EQ(Load("m").get().code(), absl::StatusCode::kUnavailable);
  holder.join();
}

TEST_F(RegistryChangesTest, RescanTakesWhatHasBeenTheSameForTwoLooks) {
  Put("m", 1);
  Begin();
  Put("m", 2, "half of a m");
  Rescan();
  Put("m", 2, "the whole of a model");
  Rescan();
  EXPECT_EQ(States(), "1 ready");
  Rescan();
  WaitForStates("2 ready");
  Rescan();
  EXPECT_THAT(loaded, ElementsAre(1, 2));
}

TEST_F(RegistryChangesTest, RescanLetsGoOfModelsThatAreGone) {
  Put("m", 1);
  Begin();
  std::filesystem::remove_all(TempStore() + "/m");
  Rescan();
  WaitForStates("");
  EXPECT_THAT(registry_.List(), IsEmpty());
}

TEST_F(RegistryChangesTest, ALoadThatFailsChangesNothingForRescan) {
  Put("m", 1);
  Begin();
  Put("m", 2);
  failing = 2;
  EXPECT_EQ(Load("m", {2}).get().code(), absl::StatusCode::kDataLoss);
  Put("m", 3);
  for (int look = 0; look < 2; ++look) Rescan();
  WaitForStates("3 ready");
}

TEST_F(RegistryChangesTest, AVersionThatWasUnloadedStaysAwayAndOthersCome) {
  Put("m", 1);
  Put("m", 2);
  Put("m", 3);
  std::ofstream(std::filesystem::path(TempStore()) / "m" / "config.pbtxt") << "version_policy { all {} }";
  Begin();
  EXPECT_TRUE(Unload("m", 2).get().ok());
  Put("m", 4);
  for (int look = 0; look < 3; ++look) Rescan();
  EXPECT_EQ(States(), "4 ready, 3 ready, 2 unloaded, 1 ready");
  EXPECT_TRUE(Load("m").get().ok());
  EXPECT_EQ(States(), "4 ready, 3 ready, 2 ready, 1 ready");
}

TEST_F(RegistryChangesTest, ReadinessDoesNotWaitForWhatIsBroughtBack) {
  Put("m", 1);
  Put("n", 1);
  Begin();
  EXPECT_TRUE(Unload("n").get().ok());
  std::latch go_on(1);
  on_load = [&] { go_on.wait(); };
  Answer brought_back = Load("n");
  while (States("n") != "1 loading") std::this_thread::yield();
  EXPECT_EQ(NotReadyReason(registry_.List(), ReadinessPolicy::kAny), "");
  go_on.count_down();
  EXPECT_TRUE(brought_back.get().ok());
}

TEST_F(RegistryChangesTest, WhatFailedAndWasUnloadedHasNoErrorAnyMore) {
  Put("bad", 1);
  Begin();
  EXPECT_TRUE(Unload("bad").get().ok());
  EXPECT_TRUE(registry_.List("bad").at(0).error.ok());
}

TEST_F(RegistryChangesTest, RescanLeavesAloneWhatWasChosenByHand) {
  Put("m", 1);
  Put("n", 1);
  Begin();
  EXPECT_TRUE(Load("m", {1}).get().ok());
  EXPECT_TRUE(Unload("n").get().ok());
  Put("m", 2);
  Put("n", 2);
  for (int look = 0; look < 3; ++look) Rescan();
  EXPECT_EQ(States(), "1 ready");
  EXPECT_EQ(States("n"), "1 unloaded");
  EXPECT_TRUE(Load("n").get().ok());
  EXPECT_EQ(States("n"), "2 ready");
}

}  // namespace
}  // namespace torchferry::registry
