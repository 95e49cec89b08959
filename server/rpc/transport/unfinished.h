// Which connections have sent most of what has become no request, and which of them end first.
//
// gRPC keeps the bytes of requests that are not whole, and tells nobody how many. Its own quota ends idle connections
// first, which are those of good clients. So each connection's bytes are compared: what the kernel has received
// (TCP_INFO) and what has become requests.
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
    // How many bytes the socket has received; none when the descriptor is not that socket any more.
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
    int64_t bytes = 0;  // unfinished
  };

  // `limit`: of all connections together.
  UnfinishedBytes(int64_t limit, Sources sources) : limit_(limit), sources_(std::move(sources)) {}

  // A new connection. What had its descriptor before is closed.
  void Add(const Connection& connection);

  // Reads all connections' counts. Returns those to be ended so that the others are within the limit: of the peer that
  // has most, the connection that has most, and so on. What it returns it forgets.
  std::vector<Ending> Look();
  // When to look again: soon after much has come, and the more connections, the later.
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
  int64_t came_ = 0;                            // from the last look but one to the last
};

// What the kernel has received for the socket, read or not; none when `descriptor` is not the socket with `inode`.
std::optional<int64_t> ReceivedBytes(int descriptor, uint64_t inode);

}  // namespace torchferry::rpc
