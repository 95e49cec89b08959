// Who counts as one peer where peers have a limit each.
#pragma once

#include <sys/socket.h>

#include <string>

namespace torchferry::base {

// The clients that share a limit: "192.0.2.7" for an IPv4 address, "2001:db8:1:2::/64" for the IPv6 addresses of one
// network, as a host has many of those, and "local" for a socket of this host without an address. An IPv4 address that
// is written as an IPv6 one is the IPv4 address. `length` is that of `address`.
std::string PeerGroupOf(const sockaddr& address, socklen_t length);

// Likewise for a connection that was accepted from `address`: one to a socket of this host is known by its user,
// "uid:1000".
std::string PeerGroupOf(int connection, const sockaddr& address, socklen_t length);

}  // namespace torchferry::base
