#include "server/registry/version_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <sstream>
#include <thread>

#include "server/registry/test_registry.h"

namespace torchferry::registry {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// True for a thread of this process that sleeps in the kernel, as one does that waits for a mutex.
bool IsAsleep(pid_t thread) {
  std::stringstream text;
  text << std::ifstream(fmt::format("/proc/self/task/{}/stat", thread)).rdbuf();
  const size_t name_end = text.str().rfind(')');
  return name_end != std::string::npos && text.str().substr(name_end + 2, 1) == "S";
}

class VersionTableTest : public ::testing::Test {
 protected:
  static VersionSource Source(int64_t version, const std::string& fingerprint = "a") {
    return {"m", version, std::make_shared<const config::ModelConfig>(), fingerprint};
  }
  void PutReady(int64_t version, int64_t generation) {
    table_.SetReady(Source(version), maker_.Make("m", version), generation, /*load_seconds=*/1);
  }

  ServableMaker maker_;
  std::function<void(std::optional<VersionState>)> on_show_;
  std::vector<std::string> shown_;
  VersionTable table_{[this](const std::string& model, int64_t version, std::optional<VersionState> state) {
    if (on_show_) on_show_(state);
    shown_.push_back(fmt::format("{} {} {}", model, version, state ? Name(*state) : "gone"));
  }};
};

TEST_F(VersionTableTest, ShowsEachChange) {
  table_.SetPending(Source(1));
  table_.SetLoading(Source(1));
  PutReady(1, /*generation=*/7);
  table_.Retire("m", 1, /*is_kept=*/false);
  table_.Settle("m", 1, 7);
  EXPECT_THAT(shown_, ElementsAre("m 1 pending", "m 1 loading", "m 1 ready", "m 1 unloading", "m 1 gone"));
  EXPECT_FALSE(table_.HasModel("m"));
}

TEST_F(VersionTableTest, ASuspectVersionIsNotFoundUntilItIsSound) {
  PutReady(1, /*generation=*/6);
  PutReady(2, /*generation=*/7);
  table_.SetSuspect("m", 2, /*generation=*/7, absl::UnavailableError("it runs and runs"));
  EXPECT_EQ(table_.Find("m", 2).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(table_.Find("m", 0).value()->version(), 1) << "the newest that is READY";
  EXPECT_FALSE(table_.Current("m").at(0).is_serving) << "it may be loaded anew";
  EXPECT_EQ(table_.List("m").at(0).error.code(), absl::StatusCode::kUnavailable);
  table_.SetSuspect("m", 2, /*generation=*/7, absl::OkStatus());
  EXPECT_TRUE(table_.Find("m", 2).ok());
  EXPECT_THAT(shown_, ElementsAre("m 1 ready", "m 2 ready", "m 2 suspect", "m 2 ready"));
}

TEST_F(VersionTableTest, ASuspicionOfAServableThatWasReplacedOrRetiredIsNone) {
  PutReady(1, /*generation=*/7);
  PutReady(1, /*generation=*/8);
  table_.SetSuspect("m", 1, /*generation=*/7, absl::UnavailableError("it runs and runs"));
  EXPECT_TRUE(table_.Find("m", 1).ok());
  table_.Retire("m", 1, /*is_kept=*/true);
  table_.SetSuspect("m", 1, /*generation=*/8, absl::UnavailableError("it runs and runs"));
  EXPECT_EQ(table_.List("m").at(0).state, VersionState::kUnloading);
}

// A version is retired a second time while its servable ends.
TEST_F(VersionTableTest, AnEndThatComesWhileAStateIsShownIsShownAfterIt) {
  PutReady(1, /*generation=*/7);
  table_.Retire("m", 1, /*is_kept=*/false);
  shown_.clear();
  std::atomic<pid_t> id = 0;
  std::atomic<bool> has_settled = false;
  std::thread end;
  on_show_ = [&](std::optional<VersionState> state) {
    if (state != VersionState::kUnloading) return;
    end = std::thread([&] {
      id = gettid();
      table_.Settle("m", 1, 7);
      has_settled = true;
    });
    while (!has_settled && (id == 0 || !IsAsleep(id))) std::this_thread::yield();
  };
  table_.Retire("m", 1, /*is_kept=*/false);
  end.join();
  EXPECT_THAT(shown_, ElementsAre("m 1 unloading", "m 1 gone"));
}

TEST_F(VersionTableTest, CallsTheListenerWithoutALock) {
  std::vector<size_t> counts;
  table_.SetListener([&] { counts.push_back(table_.List().size()); });
  table_.SetFailed("m", 1, absl::DataLossError("cut"));
  table_.Retire("m", 1, /*is_kept=*/false);
  EXPECT_THAT(counts, ElementsAre(1U, 0U));
}

TEST_F(VersionTableTest, AVersionThatServesStaysReadyWhileItIsLoadedAgain) {
  EXPECT_FALSE(table_.SetLoading(Source(1)));
  PutReady(1, /*generation=*/7);
  EXPECT_TRUE(table_.SetLoading(Source(1, "b")));
  EXPECT_EQ(table_.List("m").at(0).state, VersionState::kReady);
  EXPECT_EQ(table_.Current("m").at(0).fingerprint, "b");
  EXPECT_TRUE(table_.Find("m", 1).ok());
}

TEST_F(VersionTableTest, TheFirstPendingIsTheNewest) {
  table_.SetPending(Source(1, "a"));
  table_.SetPending(Source(2, "b"));
  EXPECT_EQ(table_.Pending().at(0).version, 2);
  EXPECT_EQ(table_.Pending().at(0).fingerprint, "b");
  table_.SetLoading(Source(2));
  EXPECT_EQ(table_.Pending().at(0).version, 1);
  table_.SetLoading(Source(1));
  EXPECT_THAT(table_.Pending(), IsEmpty());
}

TEST_F(VersionTableTest, WhatIsRetiredAndKeptIsUnloadedWhenItHasEnded) {
  PutReady(1, /*generation=*/7);
  const VersionTable::Retired retired = table_.Retire("m", 1, /*is_kept=*/true);
  EXPECT_EQ(retired.servable->version(), 1);
  EXPECT_EQ(retired.ending, 7);
  EXPECT_EQ(table_.Find("m", 0).status().code(), absl::StatusCode::kUnavailable);
  table_.Settle("m", 1, 7);
  EXPECT_EQ(table_.List("m").at(0).state, VersionState::kUnloaded);
  EXPECT_EQ(table_.Find("m", 0).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(VersionTableTest, WhatEndsAlreadyCanBeKeptStill) {
  PutReady(1, /*generation=*/7);
  table_.Retire("m", 1, /*is_kept=*/false);
  const VersionTable::Retired again = table_.Retire("m", 1, /*is_kept=*/true);
  EXPECT_EQ(again.servable, nullptr);
  EXPECT_EQ(again.ending, 7);
  table_.Settle("m", 1, 7);
  EXPECT_EQ(table_.List("m").at(0).state, VersionState::kUnloaded);
}

TEST_F(VersionTableTest, TheEndOfAFormerServableChangesNothing) {
  PutReady(1, /*generation=*/7);
  table_.Retire("m", 1, /*is_kept=*/false);
  table_.SetLoading(Source(1));
  table_.Settle("m", 1, 7);
  EXPECT_EQ(table_.List("m").at(0).state, VersionState::kLoading);
  PutReady(1, /*generation=*/8);
  table_.Retire("m", 1, /*is_kept=*/false);
  table_.Settle("m", 1, 7);
  EXPECT_EQ(table_.List("m").at(0).state, VersionState::kUnloading);
}

TEST_F(VersionTableTest, RetiringWhatHasGoneChangesNothing) {
  EXPECT_FALSE(table_.Retire("m", 1, /*is_kept=*/false).ending.has_value());
  EXPECT_THAT(shown_, IsEmpty());
  EXPECT_FALSE(table_.HasModel("m"));
}

TEST_F(VersionTableTest, AFailedVersionIsRetiredAtOnce) {
  table_.SetFailed("m", 1, absl::DataLossError("cut"));
  EXPECT_FALSE(table_.Retire("m", 1, /*is_kept=*/true).ending.has_value());
  EXPECT_EQ(table_.List("m").at(0).state, VersionState::kUnloaded);
  EXPECT_TRUE(table_.List("m").at(0).error.ok());
  table_.Retire("m", 1, /*is_kept=*/false);
  EXPECT_EQ(shown_.back(), "m 1 gone");
  EXPECT_FALSE(table_.HasModel("m"));
}

TEST_F(VersionTableTest, TheUnreadableFolderGoesWithTheFirstVersion) {
  table_.SetFailed("m", 0, absl::InvalidArgumentError("config.pbtxt:1"));
  table_.SetLoading(Source(1));
  ASSERT_EQ(table_.List("m").size(), 1U);
  EXPECT_EQ(table_.List("m").at(0).version, 1);
  EXPECT_THAT(shown_, Contains("m 0 gone"));
}

TEST_F(VersionTableTest, ClearDropsTheServables) {
  PutReady(1, /*generation=*/7);
  const std::weak_ptr<serving::Servable> servable = table_.Find("m", 1).value();
  shown_.clear();
  table_.Clear();
  EXPECT_TRUE(servable.expired());
  EXPECT_THAT(shown_, IsEmpty());
  EXPECT_FALSE(table_.HasModel("m"));
}

}  // namespace
}  // namespace torchferry::registry
