#include "server/app/port_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "server/base/status.h"

namespace torchferry::app {
namespace {

using ::testing::HasSubstr;

// A folder of this test's own.
class PortFileTest : public ::testing::Test {
 protected:
  PortFileTest() {
    std::string name = ::testing::TempDir() + "port_file_test.XXXXXX";
    folder_ = mkdtemp(name.data());
  }
  ~PortFileTest() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path Path() const { return folder_ / "ports.json"; }
  std::vector<std::string> Files() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) names.push_back(entry.path().filename());
    return names;
  }

  std::filesystem::path folder_;
};

std::string Read(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

TEST(PortFileTextTest, IsOneLineOfJson) {
  EXPECT_EQ(PortFileText({.grpc = "127.0.0.1:8001", .metrics = "[::1]:8002", .admin = ""}),
            "{\"grpc_address\":\"127.0.0.1:8001\",\"metrics_address\":\"[::1]:8002\"}\n");
}

TEST(PortFileTextTest, NamesTheAdminAddressWhereThereIsOne) {
  EXPECT_EQ(PortFileText({.grpc = "a:1", .metrics = "b:2", .admin = "c:3"}),
            "{\"grpc_address\":\"a:1\",\"metrics_address\":\"b:2\",\"admin_address\":\"c:3\"}\n");
}

TEST(PortFileTextTest, QuotesWhatJsonWouldMisread) {
  EXPECT_THAT(PortFileText({.grpc = "a\"b:1", .metrics = "b:2", .admin = ""}), HasSubstr(R"("a\"b:1")"));
}

TEST_F(PortFileTest, TakesThePlaceOfAnOlderFileAndLeavesNoOther) {
  std::ofstream(Path()) << "an older server's, longer than what comes, longer than what comes, longer than what comes";
  const BoundAddresses addresses{.grpc = "a:1", .metrics = "b:2", .admin = ""};
  ASSERT_TRUE(WritePortFile(Path(), addresses).ok());
  EXPECT_EQ(Read(Path()), PortFileText(addresses));
  EXPECT_THAT(Files(), ::testing::ElementsAre("ports.json"));
}

TEST_F(PortFileTest, AReaderThatHoldsTheOlderFileStillSeesItWhole) {
  std::ofstream(Path()) << "older";
  std::ifstream reader(Path());
  ASSERT_TRUE(WritePortFile(Path(), {.grpc = "a:1", .metrics = "b:2", .admin = ""}).ok());
  std::string seen;
  reader >> seen;
  EXPECT_EQ(seen, "older");
}

TEST_F(PortFileTest, AFolderThatIsNotThereIsUnavailableAndNamesTheFlag) {
  const std::string path = folder_ / "absent" / "ports.json";
  const absl::Status status = WritePortFile(path, {.grpc = "a:1", .metrics = "b:2", .admin = ""});
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(base::MessageOf(status), "--port-file: cannot write " + path + ": No such file or directory");
}

// Where others may write, one puts a link to a file that is not theirs to change under a name that we write to.
TEST_F(PortFileTest, FollowsNoLink) {
  std::ofstream(folder_ / "victim") << "somebody else's";
  for (const char* name : {"ports.json", "ports.json.partial"}) {
    std::filesystem::create_symlink(folder_ / "victim", folder_ / name);
  }
  ASSERT_TRUE(WritePortFile(Path(), {.grpc = "a:1", .metrics = "b:2", .admin = ""}).ok());
  EXPECT_EQ(Read(folder_ / "victim"), "somebody else's");
}

TEST_F(PortFileTest, NothingIsLeftBehindWhenItCannotTakeItsPlace) {
  std::filesystem::create_directories(Path() / "a folder that is not empty");
  EXPECT_FALSE(WritePortFile(Path(), {.grpc = "a:1", .metrics = "b:2", .admin = ""}).ok());
  EXPECT_THAT(Files(), ::testing::ElementsAre("ports.json"));
}

TEST(BoundAddressTest, HasThePortThatWasBoundOrThePath) {
  EXPECT_EQ(BoundAddress("127.0.0.1:0", 4711), "127.0.0.1:4711");
  EXPECT_EQ(BoundAddress("[::1]:0", 4711), "[::1]:4711");
  EXPECT_EQ(BoundAddress("unix:/run/ferry.sock", 0), "unix:/run/ferry.sock");
  EXPECT_EQ(BoundAddress("unix:///run/ferry.sock", 0), "unix:/run/ferry.sock");
}

}  // namespace
}  // namespace torchferry::app
