#include "server/base/peer_group.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <string>

namespace torchferry::base {
namespace {

std::string GroupOf(const std::string& text) {
  sockaddr_storage storage{};
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  if (inet_pton(AF_INET, text.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(1234);
    std::memcpy(&storage, &v4, sizeof(v4));
  } else {
    EXPECT_EQ(inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr), 1) << text;
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(1234);
    std::memcpy(&storage, &v6, sizeof(v6));
  }
  return PeerGroupOf(reinterpret_cast<const sockaddr&>(storage), sizeof(storage));
}

TEST(PeerGroupTest, IsTheAddressWithoutThePort) {
  EXPECT_EQ(GroupOf("192.0.2.7"), "192.0.2.7");
  EXPECT_EQ(GroupOf("127.0.0.1"), "127.0.0.1");
  EXPECT_EQ(GroupOf("::1"), "::1");
}

TEST(PeerGroupTest, AddressesOfOneIPv6NetworkAreOnePeer) {
  EXPECT_EQ(GroupOf("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
  EXPECT_EQ(GroupOf("2001:db8:1:2:ffff::9"), GroupOf("2001:db8:1:2::1"));
  EXPECT_NE(GroupOf("2001:db8:1:2::1"), GroupOf("2001:db8:1:3::1"));
}

TEST(PeerGroupTest, AnIPv4AddressInIPv6IsTheSamePeer) { EXPECT_EQ(GroupOf("::ffff:192.0.2.7"), "192.0.2.7"); }

TEST(PeerGroupTest, WhatHasNoAddressIsLocal) {
  sockaddr unix_address{};
  unix_address.sa_family = AF_UNIX;
  EXPECT_EQ(PeerGroupOf(unix_address, sizeof(unix_address)), "local");
  EXPECT_EQ(PeerGroupOf(sockaddr{}, 0), "local");
}

TEST(PeerGroupTest, AnAddressThatIsCutShortIsNotRead) {
  sockaddr address{};
  address.sa_family = AF_INET6;
  EXPECT_EQ(PeerGroupOf(address, sizeof(address)), "local");
}

TEST(PeerGroupTest, AConnectionOfThisHostIsItsUsers) {
  std::array<int, 2> ends{};
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  sockaddr_storage storage{};
  storage.ss_family = AF_UNIX;
  const auto& address = reinterpret_cast<const sockaddr&>(storage);
  EXPECT_EQ(PeerGroupOf(ends[0], address, sizeof(sa_family_t)), "uid:" + std::to_string(getuid()));
  for (const int end : ends) close(end);
  EXPECT_EQ(PeerGroupOf(-1, address, sizeof(sa_family_t)), "local") << "who is gone";
}

}  // namespace
}  // namespace torchferry::base
