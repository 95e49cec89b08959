#include "server/rpc/transport/listener.h"

#include "server/base/status.h"

namespace torchferry::rpc {

absl::Status Listener::Start(const RpcServer::Options& options, const std::string& address, const std::string& flag,
                             int threads, const std::vector<RpcService*>& services, const base::Clock& clock) {
  grpc::ServerBuilder builder;
  // gRPC's default lets two servers share a port in silence, each getting half of the connections.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.SetMaxReceiveMessageSize(static_cast<int>(options.max_message_bytes));
  builder.SetMaxSendMessageSize(static_cast<int>(options.max_message_bytes));
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port_);
  for (RpcService* service : services) builder.RegisterService(&service->service());
  std::vector<std::unique_ptr<CallLoop>> loops;
  loops.reserve(static_cast<size_t>(threads));
  for (int i = 0; i < threads; ++i) {
    loops.push_back(std::make_unique<CallLoop>(builder.AddCompletionQueue(), options.busy_poll, clock));
  }
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || port_ == 0) {
    for (const auto& loop : loops) loop->Stop();
    return base::MakeStatus(absl::StatusCode::kUnavailable,
                            "cannot listen for gRPC on {}: is another server running there? Choose another with {}",
                            address, flag);
  }
  server_ = std::move(server);
  loops_ = std::move(loops);
  for (const auto& loop : loops_) {
    for (RpcService* service : services) service->Serve(*loop);
    loop->Start();
  }
  return absl::OkStatus();
}

void Listener::SetWork(WorkBetweenCalls& work) {
  for (const auto& loop : loops_) loop->SetWork(&work);
}

void Listener::Stop(base::Duration patience) {
  if (server_ == nullptr) return;
  server_->Shutdown(std::chrono::system_clock::now() + patience);
  server_->Wait();
  for (const auto& loop : loops_) loop->Stop();
  server_.reset();
  loops_.clear();
}

}  // namespace torchferry::rpc
