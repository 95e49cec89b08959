// How many connections are open, in all and of each peer, and whether one more may be.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <unordered_map>

namespace torchferry::rpc {

struct ConnectionLimits {
  size_t all = 1024;
  size_t per_peer = 1024;  // base/peer_group.h
};

enum class ConnectionVerdict : uint8_t { kAccept, kTooMany, kTooManyOfPeer };

// gRPC owns the connections' descriptors, and does not tell when it closes one. So a connection is known by its
// descriptor and the inode of its socket, and is open as long as the one is the other's.
//
// Not thread-safe.
class OpenConnections {
 public:
  using IsOpen = std::function<bool(int descriptor, uint64_t inode)>;

  OpenConnections(ConnectionLimits limits, IsOpen is_open) : limits_(limits), is_open_(std::move(is_open)) {}

  // As of the last Sweep: some that count may have been closed.
  ConnectionVerdict Judge(const std::string& peer) const;
  // One that is open. What had the descriptor before is closed.
  void Add(int descriptor, uint64_t inode, const std::string& peer);
  // Looks at each, and forgets those that have been closed.
  void Sweep();

  size_t count() const { return connections_.size(); }
  bool IsFull() const { return connections_.size() >= limits_.all; }

 private:
  struct Connection {
    uint64_t inode = 0;
    std::string peer;
  };

  void Forget(const std::string& peer);

  const ConnectionLimits limits_;
  const IsOpen is_open_;
  std::unordered_map<int, Connection> connections_;  // by descriptor
  std::map<std::string, size_t> peers_;              // that have connections: how many
};

// Whether `descriptor` is the socket with `inode`.
bool IsSocketOpen(int descriptor, uint64_t inode);
// Of an open socket; 0 when it is none.
uint64_t SocketInode(int descriptor);

}  // namespace torchferry::rpc
