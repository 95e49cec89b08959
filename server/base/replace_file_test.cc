#include "server/base/replace_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "server/base/status.h"

namespace torchferry::base {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class ReplaceFileTest : public ::testing::Test {
 protected:
  ReplaceFileTest() { fs::create_directories(folder_ / "in"); }
  ~ReplaceFileTest() override { fs::remove_all(folder_); }

  static std::string TextOf(const fs::path& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }
  size_t FilesInFolder() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder_ / "in"), fs::directory_iterator()));
  }

  const fs::path folder_ =
      fs::path(::testing::TempDir()) / ::testing::UnitTest::GetInstance()->current_test_info()->name();
  const fs::path path_ = folder_ / "in" / "file";
  const fs::path partial_ = fmt::format("{}.{}", path_.string(), getpid());
  const fs::path outside_ = folder_ / "outside";
};

TEST_F(ReplaceFileTest, TakesThePlaceOfWhatIsThere) {
  for (const std::string& text : {std::string("one"), std::string(3'000'000, 'x'), std::string()}) {
    ASSERT_TRUE(ReplaceFile(path_, text).ok());
    EXPECT_EQ(TextOf(path_), text);
    EXPECT_EQ(FilesInFolder(), 1u);
  }
}

TEST_F(ReplaceFileTest, WhatALinkLeadsToStays) {
  std::ofstream(outside_) << "precious";
  for (const fs::path& link : {path_, partial_}) {
    fs::create_symlink(outside_, link);
    ASSERT_TRUE(ReplaceFile(path_, "ours").ok());
    EXPECT_EQ(TextOf(outside_), "precious");
    EXPECT_EQ(TextOf(path_), "ours");
    EXPECT_FALSE(fs::is_symlink(path_));
    EXPECT_EQ(FilesInFolder(), 1u);
    fs::remove(path_);
    fs::create_hard_link(outside_, link);
    ASSERT_TRUE(ReplaceFile(path_, "ours").ok());
    EXPECT_EQ(TextOf(outside_), "precious");
    fs::remove(path_);
  }
}

TEST_F(ReplaceFileTest, APipeIsNotWaitedFor) {
  ASSERT_EQ(mkfifo(partial_.c_str(), 0600), 0);
  EXPECT_TRUE(ReplaceFile(path_, "ours").ok());
  EXPECT_EQ(TextOf(path_), "ours");
}

TEST_F(ReplaceFileTest, AFolderAtEitherPlaceIsSaid) {
  fs::create_directory(partial_);
  EXPECT_THAT(MessageOf(ReplaceFile(path_, "ours")), HasSubstr("the folder cannot be written: "));
  EXPECT_TRUE(fs::is_directory(partial_));
  fs::remove(partial_);
  fs::create_directory(path_);
  const absl::Status status = ReplaceFile(path_, "ours");
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(MessageOf(status), HasSubstr("what is there cannot be replaced: Is a directory"));
  EXPECT_FALSE(fs::exists(partial_));
}

}  // namespace
}  // namespace torchferry::base
