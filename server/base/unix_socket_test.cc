#include "server/base/unix_socket.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "server/base/status.h"

namespace torchferry::base {
namespace {

using ::testing::HasSubstr;

class UnixSocketTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = "/tmp/unix_socket_test.XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    path_ = folder_ + "/ferry.sock";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  bool CanConnect() const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(static_cast<char*>(address.sun_path), path_.c_str(), sizeof(address.sun_path) - 1);
    const int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool connected = connect(client, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
    close(client);
    return connected;
  }
  // As a server leaves it that was killed.
  void LeaveAStaleFile() const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(static_cast<char*>(address.sun_path), path_.c_str(), sizeof(address.sun_path) - 1);
    const int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT_EQ(bind(server, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    close(server);
  }
  mode_t Mode() const {
    struct stat about {};
    return lstat(path_.c_str(), &about) == 0 ? about.st_mode & 0777 : 0;
  }

  std::string folder_;
  std::string path_;
};

TEST_F(UnixSocketTest, ItListensWithItsModeAndEndsWithItsFile) {
  for (const mode_t mode : {0600, 0660, 0666}) {
    auto listener = UnixListener::Open(path_, mode, 8);
    ASSERT_TRUE(listener.ok()) << listener.status();
    EXPECT_EQ(Mode(), mode);
    EXPECT_TRUE(CanConnect());
    UnixListener moved = *std::move(listener);
    EXPECT_TRUE(CanConnect());
    moved.Close();
    EXPECT_FALSE(std::filesystem::exists(std::filesystem::symlink_status(path_)));
  }
}

TEST_F(UnixSocketTest, TheFileOfAServerThatHasEndedIsReplaced) {
  LeaveAStaleFile();
  const auto listener = UnixListener::Open(path_, 0600, 8);
  ASSERT_TRUE(listener.ok()) << listener.status();
  EXPECT_TRUE(CanConnect());
}

TEST_F(UnixSocketTest, TheFileOfOneThatListensIsNot) {
  const auto first = UnixListener::Open(path_, 0600, 8);
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = UnixListener::Open(path_, 0600, 8);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(MessageOf(second.status()), HasSubstr("in use"));
  EXPECT_TRUE(CanConnect());
}

TEST_F(UnixSocketTest, OneThatHasNoRoomForUsIsNotTakenForStale) {
  const auto first = UnixListener::Open(path_, 0600, 0);
  ASSERT_TRUE(first.ok()) << first.status();
  std::vector<int> waiting;
  for (int i = 0; i < 4; ++i) {  // nobody accepts: the backlog is full soon
    const int client = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(static_cast<char*>(address.sun_path), path_.c_str(), sizeof(address.sun_path) - 1);
    connect(client, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
    waiting.push_back(client);
  }
  EXPECT_EQ(UnixListener::Open(path_, 0600, 8).status().code(), absl::StatusCode::kUnavailable);
  for (const int client : waiting) close(client);
}

TEST_F(UnixSocketTest, WhatIsNoSocketStays) {
  std::ofstream(path_) << "precious";
  const auto over_file = UnixListener::Open(path_, 0600, 8);
  EXPECT_THAT(MessageOf(over_file.status()), HasSubstr("no socket"));
  EXPECT_EQ(std::filesystem::file_size(path_), 8U);
  std::filesystem::remove(path_);
  std::filesystem::create_symlink(folder_ + "/elsewhere", path_);
  EXPECT_THAT(MessageOf(UnixListener::Open(path_, 0600, 8).status()), HasSubstr("no socket"));
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/elsewhere"));
}

TEST_F(UnixSocketTest, AFileThatIsAnotherServersByNowStays) {
  auto first = UnixListener::Open(path_, 0600, 8);
  ASSERT_TRUE(first.ok()) << first.status();
  std::filesystem::remove(path_);
  const auto second = UnixListener::Open(path_, 0600, 8);
  ASSERT_TRUE(second.ok()) << second.status();
  first->Close();
  EXPECT_TRUE(CanConnect());
}

TEST_F(UnixSocketTest, OfManyThatFindAStaleFileOneGetsIt) {
  for (int round = 0; round < 20; ++round) {
    LeaveAStaleFile();
    std::vector<absl::StatusOr<UnixListener>> opened(8);
    std::vector<std::thread> threads;
    for (auto& one : opened) {
      threads.emplace_back([&one, this] { one = UnixListener::Open(path_, 0600, 8); });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(std::ranges::count_if(opened, [](const auto& one) { return one.ok(); }), 1);
    EXPECT_TRUE(CanConnect());
  }
}

TEST_F(UnixSocketTest, AFolderThatIsNotThereIsNamed) {
  const auto listener = UnixListener::Open("/no/such/folder/ferry.sock", 0600, 8);
  EXPECT_EQ(listener.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(MessageOf(listener.status()), HasSubstr("its folder: No such file"));
}

TEST(UnixPathTest, APathIsToldFromHostAndPort) {
  EXPECT_EQ(UnixPathOf("unix:/run/ferry.sock"), "/run/ferry.sock");
  EXPECT_EQ(UnixPathOf("unix:///run/ferry.sock"), "/run/ferry.sock");
  EXPECT_EQ(UnixPathOf("unix:relative"), "relative");
  EXPECT_EQ(UnixPathOf("127.0.0.1:8001"), std::nullopt);
  EXPECT_EQ(UnixPathOf("unix"), std::nullopt);
}

TEST(UnixPathTest, WhatCannotBeAPathIsRefused) {
  EXPECT_TRUE(CheckUnixPath("/run/ferry.sock").ok());
  EXPECT_TRUE(CheckUnixPath("/" + std::string(106, 'a')).ok());
  EXPECT_THAT(MessageOf(CheckUnixPath("/" + std::string(107, 'a'))), HasSubstr("108 bytes"));
  for (const std::string_view path :
       {std::string_view(""), std::string_view("relative"), std::string_view("/run/"), std::string_view("/a\0b", 4)}) {
    EXPECT_EQ(CheckUnixPath(path).code(), absl::StatusCode::kInvalidArgument) << path;
  }
}

}  // namespace
}  // namespace torchferry::base
