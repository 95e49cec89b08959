#include "server/rpc/transport/acceptor.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>
#include <vector>

#include "server/base/logging.h"
#include "server/base/peer_group.h"
#include "server/base/status.h"
#include "server/base/thread_name.h"

namespace torchferry::rpc {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr base::Duration kFailurePatience = seconds(1);
constexpr base::Duration kHandlingPatience = seconds(5);
constexpr base::Duration kSweepInterval = seconds(1);        // for the metrics, and for who was refused
constexpr base::Duration kSweepWhenFull = milliseconds(50);  // a flood must not make us look at each all the time
constexpr base::Duration kLogInterval = seconds(10);
constexpr int kPauseMs = 50;  // without descriptors
constexpr int kLookAroundMs = 1000;
constexpr int kMaxPerTurn = 64;  // of one socket, before the others

const char* TextOf(ConnectionVerdict why) {
  return why == ConnectionVerdict::kTooMany ? "all connections are taken" : "the peer has too many connections";
}

uint16_t PortOf(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
  if (address.ss_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
  return 0;
}

}  // namespace

std::string WhyNotAccepting(const AcceptorState& state, base::TimePoint now) {
  if (state.is_full) return fmt::format("no new connection is accepted: all {} are open", state.limit);
  if (!state.failure.empty() && now - state.failing_since >= kFailurePatience) {
    return fmt::format("no new connection is accepted: {}", state.failure);
  }
  if (state.handling_since != base::kNoDeadline && now - state.handling_since >= kHandlingPatience) {
    return "no new connection is accepted: gRPC does not take the last one";
  }
  return "";
}

Acceptor::Acceptor(ListenSockets sockets, const Bounds& bounds, Handler handler, Observer& observer,
                   const base::Clock& clock)
    : sockets_(std::move(sockets)),
      port_(sockets_.port()),
      bounds_(bounds),
      handler_(std::move(handler)),
      observer_(observer),
      clock_(clock),
      wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      open_(bounds.connections, &IsSocketOpen),
      unfinished_(bounds.unfinished_bytes,
                  {.received = &ReceivedBytes,
                   .delivered = [delivered = bounds.delivered](uint16_t port) { return delivered->Of(port); }}) {}

void Acceptor::Start() {
  thread_ = std::thread([this] {
    base::NameThisThread("rpc-accept");
    Loop();
  });
}

void Acceptor::Stop() {
  if (thread_.joinable()) {
    eventfd_write(wake_, 1);
    thread_.join();
  }
  sockets_.Close();
  if (wake_ >= 0) close(std::exchange(wake_, -1));
}

std::string Acceptor::WhyNot() const {
  base::MutexLock lock(mutex_);
  return WhyNotAccepting(state_, clock_.Now());
}

void Acceptor::Loop() {
  while (Wait()) {
    is_pausing_ = false;
    for (const int listening : sockets_.descriptors()) {
      if (!AcceptFrom(listening)) is_pausing_ = true;
    }
    if (!is_pausing_) failure_.clear();
    SweepIfDue(kSweepInterval);
    LookIfDue();
    SetState();
  }
}

bool Acceptor::Wait() {
  std::vector<pollfd> waited = {{.fd = wake_, .events = POLLIN, .revents = 0}};
  if (!is_pausing_) {
    for (const int listening : sockets_.descriptors()) {
      waited.push_back({.fd = listening, .events = POLLIN, .revents = 0});
    }
  }
  const auto next_look = std::chrono::ceil<milliseconds>(looked_at_ + unfinished_.UntilNextLook() - clock_.Now());
  const int64_t wait = std::clamp<int64_t>(next_look.count(), 0, is_pausing_ ? kPauseMs : kLookAroundMs);
  poll(waited.data(), waited.size(), static_cast<int>(wait));
  return waited.front().revents == 0;
}

bool Acceptor::AcceptFrom(int listening) {
  for (int taken = 0; taken < kMaxPerTurn; ++taken) {
    sockaddr_storage address{};
    socklen_t length = sizeof(address);
    const int connection =
        accept4(listening, reinterpret_cast<sockaddr*>(&address), &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (connection < 0) {
      if (errno == EAGAIN || errno == EWOULDBLOCK) return true;
      // It went away, or the network has an error for it.
      if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM) continue;
      if (failure_.empty()) {
        failing_since_ = clock_.Now();
        base::LogWarning("connections cannot be accepted", {{"reason", std::strerror(errno)}, {"port", port_}});
      }
      failure_ = std::strerror(errno);
      observer_.OnAcceptFailed();
      return false;
    }
    Take(listening, connection, address, length);
  }
  return true;
}

void Acceptor::Take(int listening, int connection, const sockaddr_storage& address, socklen_t length) {
  const std::string peer = base::PeerGroupOf(connection, reinterpret_cast<const sockaddr&>(address), length);
  ConnectionVerdict verdict = open_.Judge(peer);
  if (verdict != ConnectionVerdict::kAccept) {
    SweepIfDue(kSweepWhenFull);
    verdict = open_.Judge(peer);
  }
  if (verdict != ConnectionVerdict::kAccept) return Refuse(connection, peer, verdict);
  const uint64_t inode = SocketInode(connection);
  open_.Add(connection, inode, peer);
  const uint16_t port = PortOf(address);
  unfinished_.Add({.descriptor = connection, .inode = inode, .port = port, .peer = peer});
  if (port != 0) bounds_.sockets->Set(port, connection);
  observer_.OnAccepted();
  {
    base::MutexLock lock(mutex_);
    state_.handling_since = clock_.Now();
  }
  handler_(listening, connection);
  base::MutexLock lock(mutex_);
  state_.handling_since = base::kNoDeadline;
}

void Acceptor::SweepIfDue(base::Duration age) {
  const base::TimePoint now = clock_.Now();
  if (now - swept_at_ < age) return;
  open_.Sweep();
  swept_at_ = now;
}

void Acceptor::LookIfDue() {
  const base::TimePoint now = clock_.Now();
  if (now - looked_at_ < unfinished_.UntilNextLook()) return;
  for (const UnfinishedBytes::Ending& ending : unfinished_.Look()) {
    const UnfinishedBytes::Connection& connection = ending.connection;
    // gRPC reads the end and closes the descriptor. It may do so before this line, and another have the number: so the
    // socket is compared again, as late as can be.
    if (!IsSocketOpen(connection.descriptor, connection.inode)) continue;
    shutdown(connection.descriptor, SHUT_RDWR);
    observer_.OnEndedUnfinished();
    ++ended_unlogged_;
    if (now - ended_logged_at_ < kLogInterval) continue;
    base::LogWarning("connections ended: too much of requests that are not whole",
                     {{"peer", connection.peer},
                      {"unfinished_bytes", ending.bytes},
                      {"limit_of_all", bounds_.unfinished_bytes},
                      {"ended", std::exchange(ended_unlogged_, 0)}});
    ended_logged_at_ = now;
  }
  looked_at_ = clock_.Now();
}

void Acceptor::Refuse(int connection, const std::string& peer, ConnectionVerdict why) {
  close(connection);
  observer_.OnRefused(why);
  ++refused_unlogged_;
  const base::TimePoint now = clock_.Now();
  if (now - logged_at_ < kLogInterval) return;
  base::LogWarning("connections refused", {{"reason", TextOf(why)},
                                           {"peer", peer},
                                           {"refused", std::exchange(refused_unlogged_, 0)},
                                           {"max_connections", bounds_.connections.all},
                                           {"max_connections_per_peer", bounds_.connections.per_peer}});
  logged_at_ = now;
}

void Acceptor::SetState() {
  if (open_.count() != open_told_) observer_.OnOpen(open_told_ = open_.count());
  bool is_accepting = false;
  {
    base::MutexLock lock(mutex_);
    state_.is_full = open_.IsFull();
    state_.limit = bounds_.connections.all;
    state_.failure = failure_;
    state_.failing_since = failing_since_;
    is_accepting = WhyNotAccepting(state_, clock_.Now()).empty();
  }
  if (std::exchange(was_accepting_, is_accepting) != is_accepting) observer_.OnChange();
}

}  // namespace torchferry::rpc
