// The clients that count as one peer where each peer has a limit.
#pragma once

#include <sys/socket.h>

#include <string>

namespace torchferry::base {

// The name of the group of clients that share a limit. It is "192.0.2.7" for an IPv4 address, also for one written as
// IPv6. It is "2001:db8:1:2::/64" for the IPv6 addresses of one network, as a host has many of them; "::1" stands
// alone. It is "local" for a socket of this host without an address. `length` is that of `address`.
std::string PeerGroupOf(const sockaddr& address, socklen_t length);

// Likewise for a connection that was accepted from `address`. A client of a Unix socket is known by its user:
// "uid:1000".
std::string PeerGroupOf(int connection, const sockaddr& address, socklen_t length);

}  // namespace torchferry::base
