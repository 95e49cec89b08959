// Finds the connections with the most unfinished bytes, and decides which of them end first. Unfinished bytes have
// become no request yet.
//
// gRPC keeps the bytes of requests that are not whole, and does not tell how many. Its own quota ends idle connections
// first, which are those of good clients. Therefore two counts of each connection are compared: the bytes that the
// kernel has received (TCP_INFO), and the bytes that became requests.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "server/base/clock.h"

namespace torchferry::rpc {

// Thread-compatible.
class UnfinishedBytes {
 public:
  struct Sources {
    // How many bytes the socket has received; empty when the descriptor is not that socket any more.
    std::function<std::optional<int64_t>(int descriptor, uint64_t inode)> received;
    // How many bytes from the client's port have become requests, with what a request takes beside its message.
    std::function<int64_t(uint16_t port)> delivered;
  };
  struct Connection {
    int descriptor = -1;
    uint64_t inode = 0;
    uint16_t port = 0;  // the client's
    std::string peer;   // base/peer_group.h
  };
  struct Ending {
    Connection connection;
    int64_t bytes = 0;  // unfinished bytes
  };

  // `limit`: max unfinished bytes of all connections together.
  UnfinishedBytes(int64_t limit, Sources sources) : limit_(limit), sources_(std::move(sources)) {}

  // Adds a new connection. An earlier one with its descriptor is closed.
  void Add(const Connection& connection);

  // Reads all connections' counts. Returns the connections to end so that the others are within the limit, and forgets
  // them. Each time it takes the peer with the most bytes, and that peer's connection with the most bytes.
  std::vector<Ending> Look();
  // Time until the next look: short after many bytes have come, and longer with more connections.
  base::Duration UntilNextLook() const;

 private:
  struct State {
    Connection connection;
    int64_t received = 0;
    int64_t delivered = 0;
    int64_t unfinished = 0;
  };

  // False: the connection is closed.
  bool Update(State& state);
  std::vector<Ending> Choose(int64_t total);

  const int64_t limit_;
  const Sources sources_;
  std::unordered_map<int, State> connections_;  // by descriptor
  int64_t came_ = 0;                            // bytes that came between the last two looks
};

// The bytes that the kernel has received for the socket, read or not; 0 for a socket that is not TCP's. Empty when
// `descriptor` is not the socket with `inode`.
std::optional<int64_t> ReceivedBytes(int descriptor, uint64_t inode);

}  // namespace torchferry::rpc
