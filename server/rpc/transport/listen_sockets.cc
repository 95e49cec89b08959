#include "server/rpc/transport/listen_sockets.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include "server/base/status.h"

namespace torchferry::rpc {
namespace {

constexpr int kBacklog = 4096;  // the kernel's net.core.somaxconn may be less

struct Endpoint {
  sockaddr_storage address{};
  socklen_t length = 0;
};

Endpoint Wildcard(int family) {
  Endpoint endpoint;
  if (family == AF_INET6) {
    sockaddr_in6 any{};
    any.sin6_family = AF_INET6;
    any.sin6_addr = in6addr_any;
    std::memcpy(&endpoint.address, &any, sizeof(any));
    endpoint.length = sizeof(any);
  } else {
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_addr.s_addr = htonl(INADDR_ANY);
    std::memcpy(&endpoint.address, &any, sizeof(any));
    endpoint.length = sizeof(any);
  }
  return endpoint;
}

void SetPort(Endpoint& endpoint, uint16_t port) {
  const uint16_t ordered = htons(port);
  // Both kinds have it at the same place.
  static_assert(offsetof(sockaddr_in, sin_port) == offsetof(sockaddr_in6, sin6_port));
  std::memcpy(reinterpret_cast<char*>(&endpoint.address) + offsetof(sockaddr_in, sin_port), &ordered, sizeof(ordered));
}

int PortOf(int descriptor) {
  Endpoint endpoint;
  endpoint.length = sizeof(endpoint.address);
  if (getsockname(descriptor, reinterpret_cast<sockaddr*>(&endpoint.address), &endpoint.length) != 0) return 0;
  uint16_t ordered = 0;
  std::memcpy(&ordered, reinterpret_cast<const char*>(&endpoint.address) + offsetof(sockaddr_in, sin_port),
              sizeof(ordered));
  return ntohs(ordered);
}

// A socket that listens, or -1 with errno.
int Listen(const Endpoint& endpoint, bool is_dual) {
  const int family = endpoint.address.ss_family;
  const int descriptor = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return -1;
  const int on = 1;
  const int off = 0;
  // A restarted server gets its port back at once; without SO_REUSEPORT a second server on the port fails.
  bool is_good = setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0;
  if (family == AF_INET6) {
    is_good = is_good && setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, is_dual ? &off : &on, sizeof(on)) == 0;
  }
  // What is accepted has it, too.
  is_good = is_good && setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0;
  is_good = is_good && bind(descriptor, reinterpret_cast<const sockaddr*>(&endpoint.address), endpoint.length) == 0;
  is_good = is_good && listen(descriptor, kBacklog) == 0;
  if (is_good) return descriptor;
  const int why = errno;
  close(descriptor);
  errno = why;
  return -1;
}

absl::StatusOr<std::vector<Endpoint>> Resolve(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (error != 0) return base::MakeStatus(absl::StatusCode::kUnavailable, "{}", gai_strerror(error));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, &freeaddrinfo);
  std::vector<Endpoint> endpoints;
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    Endpoint& endpoint = endpoints.emplace_back();
    endpoint.length = std::min<socklen_t>(entry->ai_addrlen, sizeof(endpoint.address));
    std::memcpy(&endpoint.address, entry->ai_addr, endpoint.length);
  }
  return endpoints;
}

}  // namespace

absl::StatusOr<ListenSockets> ListenSockets::OpenUnix(const std::string& path, mode_t mode) {
  FERRY_ASSIGN_OR_RETURN(base::UnixListener listener, base::UnixListener::Open(path, mode, kBacklog));
  ListenSockets sockets;
  sockets.descriptors_.push_back(listener.descriptor());
  sockets.unix_ = std::move(listener);
  return sockets;
}

absl::StatusOr<ListenSockets> ListenSockets::Open(const std::string& address, mode_t unix_mode) {
  if (const auto path = base::UnixPathOf(address); path.has_value()) return OpenUnix(*path, unix_mode);
  const size_t colon = address.rfind(':');
  const size_t digits = colon == std::string::npos ? address.size() : colon + 1;
  uint16_t port = 0;
  const char* const end = address.data() + address.size();
  const auto [at, error] = std::from_chars(address.data() + digits, end, port);
  if (digits <= 1 || error != std::errc() || at != end) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                            "it is not HOST:PORT with a port from 0 to 65535, nor unix:/FOLDER/FILE");
  }
  std::string host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);

  ListenSockets sockets;
  int why = EADDRNOTAVAIL;
  const auto add = [&](Endpoint endpoint, bool is_dual) {
    SetPort(endpoint, sockets.port_ != 0 ? static_cast<uint16_t>(sockets.port_) : port);
    const int descriptor = Listen(endpoint, is_dual);
    if (descriptor < 0) {
      why = errno;
      return false;
    }
    sockets.descriptors_.push_back(descriptor);
    sockets.port_ = PortOf(descriptor);
    return true;
  };
  if (host == "0.0.0.0" || host == "::") {
    // On a host without IPv6 the other is all there is; where IPv6 has the port taken, so has IPv4.
    if (!add(Wildcard(AF_INET6), true) && why != EADDRINUSE) add(Wildcard(AF_INET), false);
  } else {
    FERRY_ASSIGN_OR_RETURN(const std::vector<Endpoint> endpoints, Resolve(host));
    for (const Endpoint& endpoint : endpoints) add(endpoint, false);
  }
  if (sockets.descriptors_.empty()) {
    return base::MakeStatus(absl::StatusCode::kUnavailable, "{}", std::strerror(why));
  }
  return sockets;
}

ListenSockets::ListenSockets(ListenSockets&& other) noexcept
    : descriptors_(std::exchange(other.descriptors_, {})),
      unix_(std::exchange(other.unix_, std::nullopt)),
      port_(std::exchange(other.port_, 0)) {}

ListenSockets& ListenSockets::operator=(ListenSockets&& other) noexcept {
  if (this != &other) {
    Close();
    descriptors_ = std::exchange(other.descriptors_, {});
    unix_ = std::exchange(other.unix_, std::nullopt);
    port_ = std::exchange(other.port_, 0);
  }
  return *this;
}

void ListenSockets::Close() {
  if (unix_.has_value()) descriptors_.clear();
  unix_.reset();
  for (const int descriptor : descriptors_) close(descriptor);
  descriptors_.clear();
}

}  // namespace torchferry::rpc
