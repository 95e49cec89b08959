// One address, the services behind it, and the loops that carry their calls.
#pragma once

#include <absl/status/status.h>
#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <vector>

#include "server/base/clock.h"
#include "server/rpc/rpc_server.h"
#include "server/rpc/transport/acceptor.h"
#include "server/rpc/transport/call_loop.h"
#include "server/rpc/transport/rpc_method.h"

namespace torchferry::rpc {

class Listener {
 public:
  // The address, and the limits of its connections.
  struct Place {
    std::string address;
    std::string flag;  // the flag that set the address
    ConnectionLimits connections;
  };

  // Calls Stop, without patience.
  ~Listener() { Stop(base::Duration::zero()); }

  // Listens at `place`, with a loop for each of `threads`. `services`, `observer`, `memory` and `gate` outlive the
  // listener. UNAVAILABLE when the address cannot be bound. To be called once.
  absl::Status Start(const RpcServer::Options& options, const Place& place, int threads,
                     const std::vector<RpcService*>& services, Acceptor::Observer& observer, CallMemory& memory,
                     Gate& gate, const base::Clock& clock);

  bool is_running() const { return server_ != nullptr; }
  int port() const { return acceptor_ == nullptr ? 0 : acceptor_->port(); }  // 0 before Start
  // Why no new connection is accepted; empty: they are accepted. Callable from any thread, after Start.
  std::string WhyNotAccepting() const { return acceptor_ == nullptr ? "" : acceptor_->WhyNot(); }
  void SetWork(InlineWork& work);

  // Takes no new calls, and gives those in flight `patience` to end. Then it cancels them, and returns when all have
  // been finished.
  void Stop(base::Duration patience);

 private:
  std::unique_ptr<grpc::Server> server_;
  std::vector<std::unique_ptr<CallLoop>> loops_;
  std::unique_ptr<Acceptor> acceptor_;
};

}  // namespace torchferry::rpc
