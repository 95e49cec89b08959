// The sockets of open connections, by their clients' ports.
#pragma once

#include <atomic>
#include <charconv>
#include <cstdint>
#include <string_view>
#include <vector>

namespace torchferry::rpc {

// The port in a peer as gRPC writes it, "ipv4:192.0.2.7:50123"; 0: it has none.
inline uint16_t ClientPort(std::string_view peer) {
  const size_t colon = peer.rfind(':');
  uint16_t port = 0;
  if (colon == std::string_view::npos) return 0;
  const auto [end, error] = std::from_chars(peer.data() + colon + 1, peer.data() + peer.size(), port);
  return error == std::errc() && end == peer.data() + peer.size() ? port : uint16_t{0};
}

// gRPC owns the descriptors, and does not tell when it closes one. A descriptor here may therefore be closed, or belong
// to another connection by now. Clients on several hosts may have the same port. The last one is known then.
//
// Thread-safe, without a lock.
class ClientSockets {
 public:
  void Set(uint16_t port, int descriptor) { by_port_[port].store(descriptor, std::memory_order_relaxed); }
  // -1: none is known.
  int Of(uint16_t port) const { return port == 0 ? -1 : by_port_[port].load(std::memory_order_relaxed); }

 private:
  std::vector<std::atomic<int>> by_port_ = Unknown();

  static std::vector<std::atomic<int>> Unknown() {
    std::vector<std::atomic<int>> sockets(size_t{1} << 16);
    for (std::atomic<int>& socket : sockets) socket.store(-1, std::memory_order_relaxed);
    return sockets;
  }
};

}  // namespace torchferry::rpc
