#include "server/rpc/transport/listen_sockets.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "server/base/status.h"

namespace torchferry::rpc {
namespace {

using ::testing::HasSubstr;

bool CanConnect(int port) {
  const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool connected = connect(client, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  close(client);
  return connected;
}

TEST(ListenSocketsTest, PortZeroTakesAFreeOne) {
  const auto sockets = ListenSockets::Open("127.0.0.1:0");
  ASSERT_TRUE(sockets.ok()) << sockets.status();
  EXPECT_EQ(sockets->descriptors().size(), 1);
  EXPECT_GT(sockets->port(), 0);
  EXPECT_TRUE(CanConnect(sockets->port()));
}

TEST(ListenSocketsTest, ANameHasAllItsAddressesOnOnePort) {
  const auto sockets = ListenSockets::Open("localhost:0");
  ASSERT_TRUE(sockets.ok()) << sockets.status();
  EXPECT_GE(sockets->descriptors().size(), 1);
  EXPECT_TRUE(CanConnect(sockets->port()));
}

TEST(ListenSocketsTest, TheWildcardsAreAllAddresses) {
  for (const char* address : {"0.0.0.0:0", "[::]:0"}) {
    const auto sockets = ListenSockets::Open(address);
    ASSERT_TRUE(sockets.ok()) << sockets.status();
    EXPECT_TRUE(CanConnect(sockets->port())) << address;
  }
}

TEST(ListenSocketsTest, ASecondListenerOnThePortFails) {
  for (const char* host : {"127.0.0.1", "0.0.0.0"}) {
    const auto first = ListenSockets::Open(std::string(host) + ":0");
    ASSERT_TRUE(first.ok()) << first.status();
    const auto second = ListenSockets::Open(std::string(host) + ":" + std::to_string(first->port()));
    ASSERT_EQ(second.status().code(), absl::StatusCode::kUnavailable) << host;
    EXPECT_THAT(base::MessageOf(second.status()), HasSubstr("in use"));
  }
}

TEST(ListenSocketsTest, ThePortIsFreeWhenTheyAreClosed) {
  auto first = ListenSockets::Open("127.0.0.1:0");
  ASSERT_TRUE(first.ok()) << first.status();
  const std::string address = "127.0.0.1:" + std::to_string(first->port());
  ListenSockets moved = std::move(first).value();
  EXPECT_FALSE(ListenSockets::Open(address).ok());
  moved.Close();
  EXPECT_TRUE(ListenSockets::Open(address).ok());
}

TEST(ListenSocketsTest, WhatCannotBeListenedOnIsRefusedWithAReason) {
  for (const char* address : {"192.0.2.1:0", "no-such-host.invalid:0"}) {
    const auto sockets = ListenSockets::Open(address);
    EXPECT_EQ(sockets.status().code(), absl::StatusCode::kUnavailable) << address;
    EXPECT_NE(base::MessageOf(sockets.status()), "") << address;
  }
  for (const char* address :
       {"", "8001", ":8001", "localhost:", "localhost:http", "localhost:70000", "localhost:80 "}) {
    EXPECT_EQ(ListenSockets::Open(address).status().code(), absl::StatusCode::kInvalidArgument) << address;
  }
}

TEST(ListenSocketsTest, AUnixSocketIsOneWithoutAPort) {
  const std::string path = "/tmp/listen_sockets_test." + std::to_string(getpid());
  auto sockets = ListenSockets::Open("unix:" + path);
  ASSERT_TRUE(sockets.ok()) << sockets.status();
  EXPECT_EQ(sockets->descriptors().size(), 1);
  EXPECT_EQ(sockets->port(), 0);
  ListenSockets moved = *std::move(sockets);
  EXPECT_EQ(access(path.c_str(), F_OK), 0);
  moved.Close();
  EXPECT_NE(access(path.c_str(), F_OK), 0);
  EXPECT_EQ(ListenSockets::Open("unix:relative").status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace torchferry::rpc
