#include "server/base/peer_group.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace torchferry::base {
namespace {

constexpr size_t kNetworkBytes = 8;  // of an IPv6 address

std::string Text(int family, const void* address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  return inet_ntop(family, address, text.data(), text.size()) != nullptr ? std::string(text.data()) : std::string();
}

}  // namespace

std::string PeerGroupOf(const sockaddr& address, socklen_t length) {
  if (address.sa_family == AF_INET && length >= sizeof(sockaddr_in)) {
    sockaddr_in v4{};
    std::memcpy(&v4, &address, sizeof(v4));
    return Text(AF_INET, &v4.sin_addr);
  }
  if (address.sa_family != AF_INET6 || length < sizeof(sockaddr_in6)) return "local";
  sockaddr_in6 v6{};
  std::memcpy(&v6, &address, sizeof(v6));
  if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) return Text(AF_INET, &v6.sin6_addr.s6_addr[12]);
  if (IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr)) return Text(AF_INET6, &v6.sin6_addr);
  std::fill(std::begin(v6.sin6_addr.s6_addr) + kNetworkBytes, std::end(v6.sin6_addr.s6_addr), uint8_t{0});
  return Text(AF_INET6, &v6.sin6_addr) + "/64";
}

std::string PeerGroupOf(int connection, const sockaddr& address, socklen_t length) {
  ucred user{};
  socklen_t size = sizeof(user);
  if (address.sa_family != AF_UNIX || getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &user, &size) != 0) {
    return PeerGroupOf(address, length);
  }
  return "uid:" + std::to_string(user.uid);
}

}  // namespace torchferry::base
