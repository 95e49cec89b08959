#include "server/registry/load_marks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "server/base/status.h"

namespace torchferry::registry {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

TEST(LoadMarkTest, IsReadAsItWasWritten) {
  const LoadMark mark{.model = "a\nmodel 3:x", .version = 7, .files = "f", .boot = "", .ends = 1, .is_loading = true};
  EXPECT_EQ(ParseMark(MarkText(mark)), mark);
}

TEST(LoadMarkTest, NothingElseIsAMark) {
  const std::string text = MarkText({.model = "m", .version = 1, .files = "f", .boot = "b", .ends = 1});
  for (size_t i = 0; i < text.size(); ++i) EXPECT_FALSE(ParseMark(text.substr(0, i)).has_value()) << i;
  for (const std::string& other :
       {text + "x", std::string(kMaxMarkBytes + 1, 'x'), std::string("torchferry load mark 1\nends -1\n"),
        std::string("torchferry load mark 1\nends 1\nloading 2\nversion 1\nmodel 1:m\nfiles 0:\nboot 0:\n"),
        std::string("torchferry load mark 1\nends 1\nloading 1\nversion 1\nmodel 99999999999999999999:m\n"),
        std::string("torchferry load mark 1\nends 1\nloading 1\nversion 1\nmodel 18446744073709551615:m\n")}) {
    EXPECT_FALSE(ParseMark(other).has_value()) << other.substr(0, 80);
  }
}

TEST(LoadMarkTest, AnEndCountsUnlessTheHostEnded) {
  const LoadMark loading{.model = "m", .version = 1, .files = "f", .boot = "b", .ends = 1, .is_loading = true};
  EXPECT_EQ(AfterTheEnd(loading, "b").ends, 2);
  EXPECT_FALSE(AfterTheEnd(loading, "b").is_loading);
  EXPECT_EQ(AfterTheEnd(loading, "another").ends, 1);
  LoadMark idle = loading;
  idle.is_loading = false;
  EXPECT_EQ(AfterTheEnd(idle, "b"), idle);
}

class LoadMarksTest : public ::testing::Test {
 protected:
  LoadMarksTest() {
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "store");
    fs::create_directories(folder_ / "state");
  }
  ~LoadMarksTest() override { fs::remove_all(folder_); }

  std::string StateDir() const { return (folder_ / "state").string(); }
  std::unique_ptr<LoadMarks> Open() const {
    auto marks = LoadMarks::Open(StateDir(), (folder_ / "store").string());
    EXPECT_TRUE(marks.ok()) << marks.status();
    return *std::move(marks);
  }
  // A server, a process of its own, that is killed while it loads `versions` of "m". `is_intended`: it knew.
  void EndWhileLoading(const std::vector<int64_t>& versions, const std::string& files = "files",
                       bool is_intended = false) const {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      const auto marks = LoadMarks::Open(StateDir(), (folder_ / "store").string());
      std::vector<std::unique_ptr<LoadMarks::Loading>> loads;
      for (const int64_t version : versions) loads.push_back((*marks)->Begin("m", version, files, false).value());
      if (is_intended) (*marks)->EndIntended();
      kill(getpid(), SIGKILL);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
  }
  size_t Marks() const {
    size_t count = 0;
    for (const auto& entry : fs::recursive_directory_iterator(StateDir())) {
      count += entry.path().filename().native().starts_with("load-") ? 1U : 0U;
    }
    return count;
  }
  static std::string Refusal(LoadMarks& marks, const std::string& files = "files", bool is_asked_for = false) {
    const auto loading = marks.Begin("m", 1, files, is_asked_for);
    return loading.ok() ? "" : base::CodeName(loading.status().code()) + ": " + base::MessageOf(loading.status());
  }

  const fs::path folder_ =
      fs::path(::testing::TempDir()) /
      (std::string("torchferry_load_marks_") + ::testing::UnitTest::GetInstance()->current_test_info()->name());
};

TEST_F(LoadMarksTest, AVersionWhoseLoadingEndsTheServerTwiceIsNotLoadedAgain) {
  EndWhileLoading({1});
  EXPECT_EQ(Refusal(*Open()), "");  // the second attempt; it ends well, and so counts no more
  EndWhileLoading({1});
  EndWhileLoading({1});
  for (int start = 0; start < 3; ++start) {
    EXPECT_THAT(Refusal(*Open()),
                HasSubstr("FAILED_PRECONDITION: m/1: the server ended twice while it was loading this version"));
  }
  const auto marks = Open();
  EXPECT_TRUE(marks->Begin("m", 2, "files", false).ok());
  EXPECT_TRUE(marks->Begin("other", 1, "files", false).ok());
}

TEST_F(LoadMarksTest, OtherFilesAreTriedAgain) {
  EndWhileLoading({1});
  EndWhileLoading({1});
  EXPECT_EQ(Refusal(*Open(), "changed"), "");
  EXPECT_EQ(Refusal(*Open()), "");
}

TEST_F(LoadMarksTest, WhatIsAskedForByNameIsTriedAgainAndEndsCountFromThen) {
  EndWhileLoading({1});
  EndWhileLoading({1});
  EXPECT_EQ(Refusal(*Open(), "files", /*is_asked_for=*/true), "");
  EXPECT_EQ(Marks(), 0U);
  EndWhileLoading({1});
  EXPECT_EQ(Refusal(*Open()), "");
}

TEST_F(LoadMarksTest, AnIntendedEndCountsNothing) {
  for (int i = 0; i < 3; ++i) EndWhileLoading({1}, "files", /*is_intended=*/true);
  EXPECT_EQ(Marks(), 0U);
  EXPECT_EQ(Refusal(*Open()), "");
  EndWhileLoading({1});
  EndWhileLoading({1}, "files", /*is_intended=*/true);  // nor does it take back the one before
  EndWhileLoading({1});
  EXPECT_THAT(Refusal(*Open()), HasSubstr("ended twice"));
}

TEST_F(LoadMarksTest, AnEndCountsForAllThatWereLoadingAndTheNextForTheOneToBlame) {
  EndWhileLoading({1, 2, 3});
  {
    const auto marks = Open();
    auto first = marks->Begin("m", 1, "files", false);
    ASSERT_TRUE(first.ok());
    EXPECT_TRUE(marks->Begin("m", 4, "files", false).ok());  // one without an end waits for nobody
    std::atomic<bool> has_ended = false;
    auto second = std::async(std::launch::async, [&] {
      const auto loading = marks->Begin("m", 2, "files", false);
      return loading.ok() && has_ended;
    });
    has_ended = true;
    first->reset();
    EXPECT_TRUE(second.get());
  }
  EndWhileLoading({3});
  const auto marks = Open();
  EXPECT_EQ(Refusal(*marks), "");
  EXPECT_TRUE(marks->Begin("m", 2, "files", false).ok());
  EXPECT_FALSE(marks->Begin("m", 3, "files", false).ok());
}

TEST_F(LoadMarksTest, WhoWaitsForItsTurnWaitsNoLongerWhenTheServerEnds) {
  EndWhileLoading({1, 2});
  const auto marks = Open();
  const auto first = marks->Begin("m", 1, "files", false);
  auto second = std::async(std::launch::async, [&] { return marks->Begin("m", 2, "files", false).ok(); });
  marks->EndIntended();
  EXPECT_TRUE(second.get());
}

TEST_F(LoadMarksTest, PlacingAVersionAgainCountsToo) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto marks = Open();
    marks->Begin("m", 1, "files", false).value().reset();
    const auto placing = marks->BeginAgain("m", 1);
    kill(getpid(), SIGKILL);
  }
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  EndWhileLoading({1});
  EXPECT_THAT(Refusal(*Open()), HasSubstr("ended twice"));
}

TEST_F(LoadMarksTest, ServersThatShareAFolderDoNotSeeEachOther) {
  const auto first = Open();
  const auto loading = first->Begin("m", 1, "files", false);
  {
    const auto second = Open();  // of the same store
    EXPECT_EQ(Refusal(*second), "");
    const auto third = LoadMarks::Open(StateDir(), StateDir());  // of another one
    ASSERT_TRUE(third.ok());
    EXPECT_EQ(Refusal(**third), "");
  }
  EXPECT_EQ(Marks(), 1U);
}

TEST_F(LoadMarksTest, WhatIsNoMarkIsRemovedAndNotFollowed) {
  EndWhileLoading({1});
  fs::path own;
  for (const auto& entry : fs::directory_iterator(StateDir())) own = entry.path();
  std::ofstream(own / "load-7") << "rubbish";
  std::ofstream(own / "load-8.1.0.partial") << "cut off";
  std::ofstream(own / "load-9") << std::string(1 << 20, 'x');
  std::ofstream(folder_ / "victim") << "somebody else's";
  fs::create_symlink(folder_ / "victim", own / "load-10");
  EndWhileLoading({1});
  EXPECT_THAT(Refusal(*Open()), HasSubstr("ended twice"));
  EXPECT_EQ(Marks(), 1U);
  EXPECT_TRUE(fs::exists(folder_ / "victim"));
}

TEST_F(LoadMarksTest, AFolderThatCannotBeUsedIsAnError) {
  const auto absent = LoadMarks::Open((folder_ / "none").string(), (folder_ / "store").string());
  EXPECT_EQ(absent.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(base::MessageOf(absent.status()), HasSubstr("--state-dir"));
}

}  // namespace
}  // namespace torchferry::registry
