#include "server/base/atomic_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace torchferry::base {
namespace {

namespace fs = std::filesystem;

std::string Read(const fs::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

class AtomicFileTest : public ::testing::TestWithParam<Durability> {
 protected:
  AtomicFileTest() {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  ~AtomicFileTest() override { fs::remove_all(folder_); }
  size_t Files() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }
  const fs::path folder_ = fs::path(::testing::TempDir()) / ("torchferry_atomic_file_" + std::to_string(getpid()));
};

INSTANTIATE_TEST_SUITE_P(All, AtomicFileTest, ::testing::Values(Durability::kProcess, Durability::kHost));

TEST_P(AtomicFileTest, WritesAndReplaces) {
  const fs::path path = folder_ / "f";
  ASSERT_TRUE(WriteFileAtomically(path, "first, and longer", GetParam()).ok());
  ASSERT_TRUE(WriteFileAtomically(path, "second", GetParam()).ok());
  EXPECT_EQ(Read(path), "second");
  EXPECT_EQ(Files(), 1U);
}

TEST_P(AtomicFileTest, ALinkInItsPlaceIsReplacedAndNotFollowed) {
  std::ofstream(folder_ / "victim") << "somebody else's";
  fs::create_symlink(folder_ / "victim", folder_ / "f");
  ASSERT_TRUE(WriteFileAtomically(folder_ / "f", "ours", GetParam()).ok());
  EXPECT_EQ(Read(folder_ / "victim"), "somebody else's");
  EXPECT_EQ(Read(folder_ / "f"), "ours");
  EXPECT_FALSE(fs::is_symlink(folder_ / "f"));
}

TEST_P(AtomicFileTest, LeavesNothingBehindWhenItFails) {
  EXPECT_EQ(WriteFileAtomically(folder_ / "none" / "f", "x", GetParam()).code(), absl::StatusCode::kUnavailable);
  fs::create_directories(folder_ / "taken" / "by_a_folder");
  const absl::Status status = WriteFileAtomically(folder_ / "taken", "x", GetParam());
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(status.message().find("taken"), absl::string_view::npos);
  EXPECT_EQ(Files(), 1U);
}

}  // namespace
}  // namespace torchferry::base
