#include "server/base/store_folder.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <stop_token>
#include <thread>

#include "server/base/status.h"

namespace torchferry::base {
namespace {

namespace fs = std::filesystem;

class StoreFolderTest : public ::testing::Test {
 protected:
  StoreFolderTest() {
    fs::remove_all(top_);
    fs::create_directories(top_ / "store" / "m" / "1");
    fs::create_directories(top_ / "outside" / "1");
    std::ofstream(top_ / "store" / "m" / "1" / "w") << "inside";
    std::ofstream(top_ / "outside" / "w") << "outside";
    std::ofstream(top_ / "outside" / "1" / "w") << "outside";
    std::ofstream(top_ / "storey") << "a file beside whose name begins as the store's";
  }
  ~StoreFolderTest() override { fs::remove_all(top_); }

  StoreFolder Store(bool follows = false) const { return {(top_ / "store").string(), follows}; }
  void Link(const fs::path& target, const fs::path& link) const { fs::create_symlink(target, top_ / "store" / link); }

  // What the file holds, or the error's code and message.
  static std::string Read(const StoreFolder& folder, const std::string& name) {
    const auto open = OpenInStore(folder, name, StoreEntry::kFile, "m/1/x");
    if (!open.ok()) return CodeName(open.status().code()) + " " + MessageOf(open.status());
    std::ifstream in(open->path());
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }
  static bool IsRefused(const std::string& read) {
    return read.starts_with("FAILED_PRECONDITION m/1/x: a link leads out of the model store");
  }

  const fs::path top_ =
      fs::path(::testing::TempDir()) /
      (std::string("torchferry_store_folder_") + ::testing::UnitTest::GetInstance()->current_test_info()->name());
};

TEST_F(StoreFolderTest, OpensWhatLiesThere) {
  EXPECT_EQ(Read(Store() / "m/1", "w"), "inside");
  EXPECT_EQ(Read(Store() / "m" / "1", "w"), "inside");
  EXPECT_EQ(Read(Store(), "m/1/w"), "inside");
  EXPECT_EQ(Read(Store() / "m/1", "none"), "NOT_FOUND m/1/x: no such file");
  EXPECT_TRUE(OpenInStore(Store() / "m", "", StoreEntry::kFolder, "m").ok());
}

TEST_F(StoreFolderTest, ALinkOutOfTheStoreIsRefusedUnlessItIsAllowed) {
  Link(top_ / "outside" / "w", "m/1/absolute");
  Link("../../../outside/w", "m/1/relative");
  Link(top_ / "outside", "folder");
  Link(top_ / "storey", "m/1/beside");
  for (const std::string name : {"m/1/absolute", "m/1/relative", "folder/w", "m/1/beside", "../outside/w"}) {
    EXPECT_TRUE(IsRefused(Read(Store(), name))) << name << ": " << Read(Store(), name);
    EXPECT_TRUE(Read(Store(/*follows=*/true), name).find("outside") != std::string::npos || name == "m/1/beside");
  }
  EXPECT_EQ(OpenInStore(Store(), "folder", StoreEntry::kFolder, "folder").status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(StoreFolderTest, LinksWithinTheStoreAreFollowed) {
  Link(top_ / "store" / "m" / "1" / "w", "m/1/absolute");
  Link("m", "alias");
  // As Kubernetes mounts a ConfigMap.
  fs::create_directories(top_ / "store" / "k" / "..2026");
  std::ofstream(top_ / "store" / "k" / "..2026" / "w") << "mounted";
  Link("..2026", "k/..data");
  Link("..data/w", "k/w");
  EXPECT_EQ(Read(Store(), "m/1/absolute"), "inside");
  EXPECT_EQ(Read(Store(), "alias/1/w"), "inside");
  EXPECT_EQ(Read(Store() / "k", "w"), "mounted");
}

TEST_F(StoreFolderTest, TheStoreItselfMayBeALink) {
  fs::create_directory_symlink(top_ / "store", top_ / "current");
  const StoreFolder current((top_ / "current").string());
  EXPECT_EQ(Read(current / "m/1", "w"), "inside");
  Link(top_ / "outside" / "w", "m/1/out");
  EXPECT_TRUE(IsRefused(Read(current / "m/1", "out")));
}

TEST_F(StoreFolderTest, CirclesDevicesAndPipesDoNotHoldItUp) {
  Link("circle", "m/1/circle");
  EXPECT_TRUE(Read(Store(), "m/1/circle").starts_with("FAILED_PRECONDITION m/1/x: is a link that leads in a circle"));
  Link("/dev/zero", "m/1/zero");
  EXPECT_TRUE(IsRefused(Read(Store(), "m/1/zero")));
  ASSERT_EQ(mkfifo((top_ / "store" / "m" / "1" / "pipe").c_str(), 0600), 0);
  EXPECT_TRUE(OpenInStore(Store(), "m/1/pipe", StoreEntry::kFile, "m/1/pipe").ok());
}

// A thread puts a link out of the store, and the file again, under the name: what is read is never the other one.
TEST_F(StoreFolderTest, WhatWasCheckedIsWhatIsOpen) {
  const fs::path name = top_ / "store" / "m" / "1" / "w";
  const std::jthread swapper([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      fs::create_symlink(top_ / "outside" / "w", top_ / "next");
      fs::rename(top_ / "next", name);
      std::ofstream(top_ / "next") << "inside";
      fs::rename(top_ / "next", name);
    }
  });
  int read = 0;
  for (int i = 0; i < 2000; ++i) {
    const std::string text = Read(Store() / "m/1", "w");
    if (text == "inside") ++read;
    ASSERT_TRUE(text == "inside" || IsRefused(text)) << text;
  }
  EXPECT_GT(read, 0);
}

}  // namespace
}  // namespace torchferry::base
