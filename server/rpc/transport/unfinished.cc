#include "server/rpc/transport/unfinished.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "server/rpc/transport/open_connections.h"

namespace torchferry::rpc {
namespace {

constexpr base::Duration kSoon = std::chrono::milliseconds(1);
constexpr base::Duration kLater = std::chrono::milliseconds(20);
constexpr base::Duration kForEach = std::chrono::microseconds(50);  // some 50 times what a look at one takes
constexpr int64_t kMuch = 256 << 10;

}  // namespace

void UnfinishedBytes::Add(const Connection& connection) {
  connections_[connection.descriptor] = {connection, 0, sources_.delivered(connection.port), 0};
}

bool UnfinishedBytes::Update(State& state) {
  // In this order: what comes in between counts as unfinished until the next look, and not for ever.
  const int64_t delivered = sources_.delivered(state.connection.port);
  const std::optional<int64_t> received = sources_.received(state.connection.descriptor, state.connection.inode);
  if (!received.has_value()) return false;
  const int64_t came = *received - std::exchange(state.received, *received);
  const int64_t became = delivered - std::exchange(state.delivered, delivered);
  // Not below nothing: a request may count for more than it took, and what is saved so hides nothing later.
  state.unfinished = std::max<int64_t>(0, state.unfinished + came - became);
  came_ += came;
  return true;
}

std::vector<UnfinishedBytes::Ending> UnfinishedBytes::Look() {
  came_ = 0;
  int64_t total = 0;
  for (auto it = connections_.begin(); it != connections_.end();) {
    const bool is_open = Update(it->second);
    if (is_open) total += it->second.unfinished;
    it = is_open ? std::next(it) : connections_.erase(it);
  }
  return total <= limit_ ? std::vector<Ending>() : Choose(total);
}

std::vector<UnfinishedBytes::Ending> UnfinishedBytes::Choose(int64_t total) {
  struct Peer {
    int64_t bytes = 0;
    std::vector<const State*> connections;
  };
  std::map<std::string, Peer> peers;
  for (const auto& [descriptor, state] : connections_) {
    Peer& peer = peers[state.connection.peer];
    peer.bytes += state.unfinished;
    peer.connections.push_back(&state);
  }
  for (auto& [name, peer] : peers) {
    std::ranges::sort(peer.connections, {}, &State::unfinished);
  }
  std::vector<Ending> endings;
  while (total > limit_) {
    Peer& most = std::ranges::max_element(peers, {}, [](const auto& peer) { return peer.second.bytes; })->second;
    const State& last = *most.connections.back();
    most.connections.pop_back();
    most.bytes -= last.unfinished;
    total -= last.unfinished;
    endings.push_back({last.connection, last.unfinished});
  }
  for (const Ending& ending : endings) connections_.erase(ending.connection.descriptor);
  return endings;
}

base::Duration UnfinishedBytes::UntilNextLook() const {
  return std::max<base::Duration>(came_ >= kMuch ? kSoon : kLater, kForEach * connections_.size());
}

std::optional<int64_t> ReceivedBytes(int descriptor, uint64_t inode) {
  if (!IsSocketOpen(descriptor, inode)) return std::nullopt;
  tcp_info info{};
  socklen_t length = sizeof(info);
  // A socket that is not TCP's has no such count, and is not bounded here.
  if (getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) return 0;
  return static_cast<int64_t>(info.tcpi_bytes_received);
}

}  // namespace torchferry::rpc
