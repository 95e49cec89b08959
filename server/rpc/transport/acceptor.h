// The thread that takes new connections and gives them to gRPC, as many as may be open. It ends those that have sent
// too much of requests which are not whole.
//
// gRPC 1.51 stops accepting for good when it has no descriptor left once (CVE-2023-4785), bounds no number of
// connections and counts none. So the listening sockets are ours.
#pragma once

#include <sys/socket.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>

#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/rpc/transport/delivered_bytes.h"
#include "server/rpc/transport/listen_sockets.h"
#include "server/rpc/transport/open_connections.h"
#include "server/rpc/transport/unfinished.h"

namespace torchferry::rpc {

// What the acceptor was seen doing.
struct AcceptorState {
  bool is_full = false;
  size_t limit = 0;                                    // of connections that are open
  std::string failure;                                 // of the last attempt to accept; empty: it went well
  base::TimePoint failing_since{};                     // where there is one
  base::TimePoint handling_since = base::kNoDeadline;  // a connection that is being given to gRPC
};

// Why no new connection is accepted, for who waits for one; empty when they are. A failure counts after a second and a
// connection that gRPC has not taken after five, as both pass by themselves.
std::string WhyNotAccepting(const AcceptorState& state, base::TimePoint now);

// Thread-safe, but for Start and Stop.
class Acceptor {
 public:
  // What happens, on the acceptor's thread.
  class Observer {
   public:
    virtual void OnAccepted() = 0;
    virtual void OnRefused(ConnectionVerdict why) = 0;
    // It had sent most of what is unfinished.
    virtual void OnEndedUnfinished() = 0;
    // There was no descriptor, or no memory, for a connection.
    virtual void OnAcceptFailed() = 0;
    virtual void OnOpen(size_t connections) = 0;
    // WhyNotAccepting became empty, or is not any more.
    virtual void OnChange() = 0;

   protected:
    ~Observer() = default;
  };
  struct Bounds {
    ConnectionLimits connections;
    int64_t unfinished_bytes = 0;               // of all connections together
    const DeliveredBytes* delivered = nullptr;  // by their clients; outlives the acceptor
  };
  // Takes a connection and owns its descriptor from then on.
  using Handler = std::function<void(int listening, int connection)>;

  // `observer` and `clock` outlive it.
  Acceptor(ListenSockets sockets, const Bounds& bounds, Handler handler, Observer& observer, const base::Clock& clock);
  ~Acceptor() { Stop(); }
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  int port() const { return port_; }
  void Start();
  // Listens no more. `handler` is not called from then on.
  void Stop();

  // Why no new connection is accepted; empty when they are.
  std::string WhyNot() const;

 private:
  void Loop();
  // Until something comes, or it is time to look around; false at the end.
  bool Wait();
  // What waits at one socket, as far as it may be taken in one turn. False when there is nothing to take it with.
  bool AcceptFrom(int listening);
  void Take(int listening, int connection, const sockaddr_storage& address, socklen_t length);
  void SweepIfDue(base::Duration age);
  // Ends connections of which too much is unfinished.
  void LookIfDue();
  void Refuse(int connection, const std::string& peer, ConnectionVerdict why);
  void SetState();

  ListenSockets sockets_;
  const int port_;
  const Bounds bounds_;
  const Handler handler_;
  Observer& observer_;
  const base::Clock& clock_;
  int wake_ = -1;

  // The thread's.
  OpenConnections open_;
  UnfinishedBytes unfinished_;
  base::TimePoint looked_at_{};
  base::TimePoint swept_at_{};
  base::TimePoint logged_at_{};
  uint64_t refused_unlogged_ = 0;
  base::TimePoint ended_logged_at_{};
  uint64_t ended_unlogged_ = 0;
  size_t open_told_ = 0;
  bool is_pausing_ = false;
  std::string failure_;
  base::TimePoint failing_since_{};
  bool was_accepting_ = true;

  mutable base::Mutex mutex_;
  AcceptorState state_ FERRY_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace torchferry::rpc
