#include "server/identity/identities.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "server/base/logging.h"

namespace torchferry::identity {
namespace {

using ::testing::HasSubstr;

const char kSecret[] = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
const char kSecret123[] = "fcf730b6d95236ecd3c9fc2d92d7b6b2bb061514961aec041d6c7a7192f592e4";

std::string Alice(const std::string& digest) {
  return "identity alice\nroles read\nmodels *\ntoken sha256:" + digest + "\n";
}

class IdentitiesTest : public testing::Test {
 protected:
  IdentitiesTest() {
    std::filesystem::create_directories(folder_);
    Write(Alice(kSecret));
  }
  ~IdentitiesTest() override { std::filesystem::remove_all(folder_); }

  void Write(const std::string& text) {
    const std::string beside = path_ + ".new";
    std::ofstream(beside) << text;
    chmod(beside.c_str(), 0600);
    std::filesystem::rename(beside, path_);
  }
  // Its thread never looks: the test does.
  std::unique_ptr<Identities> Open() {
    auto opened = Identities::Open(path_, std::chrono::hours(24));
    EXPECT_TRUE(opened.ok()) << opened.status();
    return *std::move(opened);
  }
  static bool Knows(const Identities& identities, std::string_view token) {
    const std::string text = "Bearer " + std::string(token);
    const std::string_view authorization = text;
    return identities.current()
               ->Recognise({.authorization = {&authorization, 1}, .certificate = {}}, WallTime())
               .finding == Finding::kKnown;
  }

  const std::string folder_ =
      testing::TempDir() + "identities_" + testing::UnitTest::GetInstance()->current_test_info()->name();
  const std::string path_ = folder_ + "/people";
};

TEST_F(IdentitiesTest, AChangeIsTakenWhenItStandsStill) {
  const auto identities = Open();
  EXPECT_TRUE(Knows(*identities, "secret"));
  const auto before = identities->current();
  Write(Alice(kSecret123));
  identities->Look();
  EXPECT_TRUE(Knows(*identities, "secret"));
  identities->Look();
  EXPECT_FALSE(Knows(*identities, "secret"));
  EXPECT_TRUE(Knows(*identities, "secret123"));
  EXPECT_EQ(before->size(), 1u);  // who has it may still use it
}

TEST_F(IdentitiesTest, ABrokenFileLeavesWhatWasAndIsSaidOnce) {
  const auto identities = Open();
  const base::LogCapture capture(base::LogLevel::kError);
  Write("identity alice\n");
  for (int i = 0; i < 4; ++i) identities->Look();
  EXPECT_TRUE(Knows(*identities, "secret"));
  ASSERT_EQ(capture.Lines().size(), 1u);
  EXPECT_THAT(capture.Lines()[0].text, HasSubstr("people:1:1: identity alice has no roles"));
  Write(Alice(kSecret123));
  for (int i = 0; i < 2; ++i) identities->Look();
  EXPECT_TRUE(Knows(*identities, "secret123"));
}

TEST_F(IdentitiesTest, AFileThatIsGoneLeavesWhatWasAndIsSaidOnce) {
  const auto identities = Open();
  const base::LogCapture capture(base::LogLevel::kError);
  std::filesystem::remove(path_);
  for (int i = 0; i < 4; ++i) identities->Look();
  EXPECT_TRUE(Knows(*identities, "secret"));
  EXPECT_EQ(capture.Lines().size(), 1u);
}

TEST_F(IdentitiesTest, AFolderThatIsSwappedByALinkIsFollowed) {
  for (const auto& [name, digest] : {std::pair("a", kSecret), std::pair("b", kSecret123)}) {
    std::filesystem::create_directories(folder_ + "/" + name);
    std::ofstream(folder_ + "/" + name + "/people") << Alice(digest);
  }
  std::filesystem::remove(path_);
  std::filesystem::create_directory_symlink("a", folder_ + "/..data");
  std::filesystem::create_symlink("..data/people", path_);
  const auto identities = Open();
  EXPECT_TRUE(Knows(*identities, "secret"));
  std::filesystem::create_directory_symlink("b", folder_ + "/..next");
  std::filesystem::rename(folder_ + "/..next", folder_ + "/..data");
  for (int i = 0; i < 2; ++i) identities->Look();
  EXPECT_TRUE(Knows(*identities, "secret123"));
}

TEST_F(IdentitiesTest, TheThreadTakesAChange) {
  auto opened = Identities::Open(path_, std::chrono::milliseconds(1));
  ASSERT_TRUE(opened.ok()) << opened.status();
  Write(Alice(kSecret123));
  while (!Knows(**opened, "secret123")) std::this_thread::yield();
}

TEST_F(IdentitiesTest, AFileThatIsOpenToOthersIsWarnedOf) {
  for (const auto& [mode, warns] : {std::pair(0600, false), std::pair(0640, false), std::pair(0644, true),
                                    std::pair(0660, true), std::pair(0602, true)}) {
    chmod(path_.c_str(), static_cast<mode_t>(mode));
    const base::LogCapture capture(base::LogLevel::kWarning);
    Open();
    EXPECT_EQ(!capture.Lines().empty(), warns) << mode;
  }
}

TEST_F(IdentitiesTest, AFileThatIsNoneIsAnErrorAtTheStart) {
  Write("identity alice");
  EXPECT_THAT(std::string(Identities::Open(path_, std::chrono::hours(1)).status().message()),
              HasSubstr("people:1:1: identity alice has no roles"));
  EXPECT_EQ(Identities::Open(folder_ + "/none", std::chrono::hours(1)).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Identities::Open(folder_, std::chrono::hours(1)).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace torchferry::identity
