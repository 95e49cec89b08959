// Counts the open connections, in all and of each peer, and decides whether one more may be.
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

// gRPC owns the connections' descriptors, and does not tell when it closes one. A connection is therefore known by its
// descriptor and the inode of its socket. It is open while the descriptor belongs to that socket.
//
// Not thread-safe.
class OpenConnections {
 public:
  using IsOpen = std::function<bool(int descriptor, uint64_t inode)>;

  OpenConnections(ConnectionLimits limits, IsOpen is_open) : limits_(limits), is_open_(std::move(is_open)) {}

  // The verdict as of the last Sweep: some connections that count may have been closed.
  ConnectionVerdict Judge(const std::string& peer) const;
  // Adds an open connection. An earlier one with its descriptor is closed.
  void Add(int descriptor, uint64_t inode, const std::string& peer);
  // Checks each connection, and forgets those that have been closed.
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
  std::map<std::string, size_t> peers_;              // connections by peer; without zeros
};

// Whether `descriptor` is the socket with `inode`.
bool IsSocketOpen(int descriptor, uint64_t inode);
// The inode of an open socket; 0 when `descriptor` is no open socket.
uint64_t SocketInode(int descriptor);

}  // namespace torchferry::rpc
