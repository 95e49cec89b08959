// One address, the services behind it, and the loops that carry their calls.
#pragma once

#include <absl/status/status.h>
#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <vector>

#include "server/base/clock.h"
#include "server/rpc/rpc_server.h"
#include "server/rpc/transport/call_loop.h"
#include "server/rpc/transport/serve.h"

namespace torchferry::rpc {

class Listener {
 public:
  // As Stop.
  ~Listener() { Stop(base::Duration::zero()); }

  // Listens on `address`, which `flag` has set, with a loop for each of `threads`. `services` outlive it. UNAVAILABLE
  // when it cannot be bound. Once.
  absl::Status Start(const RpcServer::Options& options, const std::string& address, const std::string& flag,
                     int threads, const std::vector<RpcService*>& services, const base::Clock& clock);

  bool is_running() const { return server_ != nullptr; }
  int port() const { return port_; }  // 0 before Start
  void SetWork(WorkBetweenCalls& work);

  // Takes no new calls, gives those under way so long, cancels them, and returns when all have been finished.
  void Stop(base::Duration patience);

 private:
  std::unique_ptr<grpc::Server> server_;
  std::vector<std::unique_ptr<CallLoop>> loops_;
  int port_ = 0;
};

}  // namespace torchferry::rpc
