// How many bytes of each connection have become requests.
#pragma once

#include <atomic>
#include <charconv>
#include <cstdint>
#include <string_view>
#include <vector>

namespace torchferry::rpc {

// A connection is known by its client's port: two clients of one port, on two hosts, count as one.
//
// Thread-safe, without a lock.
class DeliveredBytes {
 public:
  // `peer` is as gRPC writes it, "ipv4:192.0.2.7:50123". One without a port is not counted.
  void Add(std::string_view peer, int64_t bytes) {
    const size_t colon = peer.rfind(':');
    uint16_t port = 0;
    if (colon == std::string_view::npos) return;
    const auto [end, error] = std::from_chars(peer.data() + colon + 1, peer.data() + peer.size(), port);
    if (error == std::errc() && end == peer.data() + peer.size()) {
      by_port_[port].fetch_add(bytes, std::memory_order_relaxed);
    }
  }

  // The bytes since the start, of all connections that have had `port`.
  int64_t Of(uint16_t port) const { return by_port_[port].load(std::memory_order_relaxed); }

 private:
  std::vector<std::atomic<int64_t>> by_port_ = std::vector<std::atomic<int64_t>>(size_t{1} << 16);
};

}  // namespace torchferry::rpc
