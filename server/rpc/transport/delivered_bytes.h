// How many bytes of each connection have become requests.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

namespace torchferry::rpc {

// A connection is known by its client's port: two clients of one port, on two hosts, count as one.
//
// Thread-safe, without a lock.
class DeliveredBytes {
 public:
  // A connection without a port, 0, is not counted.
  void Add(uint16_t port, int64_t bytes) {
    if (port != 0) by_port_[port].fetch_add(bytes, std::memory_order_relaxed);
  }

  // The bytes since the start, of all connections that have had `port`.
  int64_t Of(uint16_t port) const { return by_port_[port].load(std::memory_order_relaxed); }

 private:
  std::vector<std::atomic<int64_t>> by_port_ = std::vector<std::atomic<int64_t>>(size_t{1} << 16);
};

}  // namespace torchferry::rpc
