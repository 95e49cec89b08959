// The thread that accepts new connections, up to the limits, and gives them to gRPC. It ends connections that have sent
// too many bytes of unfinished requests.
//
// gRPC 1.51 stops accepting for good when it has once had no free descriptor (CVE-2023-4785). It neither limits nor
// counts connections. Therefore the listening sockets are ours.
#pragma once

#include <sys/socket.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>

#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/rpc/transport/client_sockets.h"
#include "server/rpc/transport/delivered_bytes.h"
#include "server/rpc/transport/listen_sockets.h"
#include "server/rpc/transport/open_connections.h"
#include "server/rpc/transport/unfinished.h"

namespace torchferry::rpc {

// The last state of the acceptor.
struct AcceptorState {
  bool is_full = false;
  size_t limit = 0;                                    // max open connections
  std::string failure;                                 // of the last attempt to accept; empty: it went well
  base::TimePoint failing_since{};                     // since when there is a failure
  base::TimePoint handling_since = base::kNoDeadline;  // since when gRPC is being given a connection
};

// Why no new connection is accepted; empty: they are accepted. A failure counts after one second, and a connection that
// gRPC has not taken after five: both may pass by themselves.
std::string WhyNotAccepting(const AcceptorState& state, base::TimePoint now);

// Thread-safe, except Start and Stop.
class Acceptor {
 public:
  // An observer of the acceptor, called on the acceptor's thread.
  class Observer {
   public:
    virtual void OnAccepted() = 0;
    virtual void OnRefused(ConnectionVerdict why) = 0;
    // A connection was ended, because it had sent the most unfinished bytes.
    virtual void OnEndedUnfinished() = 0;
    // There was no descriptor, or no memory, for a connection.
    virtual void OnAcceptFailed() = 0;
    virtual void OnOpen(size_t connections) = 0;
    // WhyNotAccepting became empty, or stopped being empty.
    virtual void OnChange() = 0;

   protected:
    ~Observer() = default;
  };
  struct Bounds {
    ConnectionLimits connections;
    int64_t unfinished_bytes = 0;               // max of all connections together
    const DeliveredBytes* delivered = nullptr;  // by the clients' ports; outlives the acceptor
    ClientSockets* sockets = nullptr;           // is told of each connection; outlives the acceptor
  };
  // Takes a connection and owns its descriptor from then on.
  using Handler = std::function<void(int listening, int connection)>;

  // `observer` and `clock` outlive the acceptor.
  Acceptor(ListenSockets sockets, const Bounds& bounds, Handler handler, Observer& observer, const base::Clock& clock);
  ~Acceptor() { Stop(); }
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  int port() const { return port_; }
  void Start();
  // Stops listening. `handler` is not called from then on.
  void Stop();

  // Why no new connection is accepted; empty: they are accepted.
  std::string WhyNot() const;

 private:
  void Loop();
  // Waits until a connection comes, or a check is due; false: the acceptor ends.
  bool Wait();
  // Accepts what waits at one socket, up to the max of one turn. False: no descriptor or memory is left.
  bool AcceptFrom(int listening);
  void Take(int listening, int connection, const sockaddr_storage& address, socklen_t length);
  void SweepIfDue(base::Duration age);
  // Ends connections with too many unfinished bytes.
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

  // Used only by the thread.
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
