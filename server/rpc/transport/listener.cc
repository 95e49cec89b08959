#include "server/rpc/transport/listener.h"

#include <utility>

#include "server/base/keep_forever.h"
#include "server/base/status.h"
#include "server/rpc/transport/connection_times.h"
#include "server/rpc/transport/tls_credentials.h"

namespace torchferry::rpc {
namespace {

using grpc::experimental::ExternalConnectionAcceptor;

// A connection that has not ended TLS's handshake and sent HTTP/2's preface and settings by then is closed, however it
// drips.
constexpr int kHandshakeMs = 10000;

Acceptor::Handler GiveTo(std::shared_ptr<ExternalConnectionAcceptor> grpc) {
  return [grpc = std::move(grpc)](int listening, int connection) {
    ExternalConnectionAcceptor::NewConnectionParameters given;
    given.listener_fd = listening;
    given.fd = connection;
    grpc->HandleNewConnection(&given);
  };
}

}  // namespace

absl::Status Listener::Start(const RpcServer::Options& options, const Place& place, int threads,
                             const std::vector<RpcService*>& services, Acceptor::Observer& observer, CallMemory& memory,
                             Gate& gate, const base::Clock& clock) {
  absl::StatusOr<ListenSockets> sockets = ListenSockets::Open(place.address, options.unix_mode);
  if (!sockets.ok()) {
    return base::MakeStatus(
        sockets.status().code(),
        "cannot listen for gRPC on {} ({}): is another server running there? Choose another with {}", place.address,
        base::MessageOf(sockets.status()), place.flag);
  }
  grpc::ServerBuilder builder;
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeMs);
  SetConnectionTimes(options.times, builder);
  memory.BoundListener(builder);
  std::shared_ptr<ExternalConnectionAcceptor> given = builder.experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD, MakeServerCredentials(options.tls));
  for (RpcService* service : services) builder.RegisterService(&service->service());
  std::vector<std::unique_ptr<CallLoop>> loops;
  loops.reserve(static_cast<size_t>(threads));
  for (int i = 0; i < threads; ++i) {
    loops.push_back(std::make_unique<CallLoop>(builder.AddCompletionQueue(), options.busy_poll, memory, gate, clock));
  }
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) {
    for (const auto& loop : loops) loop->Stop();
    return base::MakeStatus(absl::StatusCode::kInternal, "gRPC does not start on {}", place.address);
  }
  server_ = std::move(server);
  loops_ = std::move(loops);
  for (const auto& loop : loops_) {
    for (RpcService* service : services) service->Serve(*loop);
    loop->Start();
  }
  const Acceptor::Bounds bounds = {.connections = place.connections,
                                   .unfinished_bytes = memory.max_unfinished_bytes(),
                                   .delivered = &memory.delivered(),
                                   .sockets = &memory.sockets()};
  acceptor_ = std::make_unique<Acceptor>(std::move(sockets).value(), bounds, GiveTo(std::move(given)), observer, clock);
  acceptor_->Start();
  return absl::OkStatus();
}

void Listener::SetWork(InlineWork& work) {
  for (const auto& loop : loops_) loop->SetWork(&work);
}

void Listener::Stop(base::Duration patience) {
  if (server_ == nullptr) return;
  acceptor_->Stop();  // gRPC would leak what it is given from now on
  server_->Shutdown(std::chrono::system_clock::now() + patience);
  server_->Wait();
  for (auto& loop : loops_) {
    if (!loop->Stop()) base::KeepForever(std::move(loop));
  }
  server_.reset();
  loops_.clear();
}

}  // namespace torchferry::rpc
