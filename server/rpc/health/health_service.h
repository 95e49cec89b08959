// grpc.health.v1: "" is readiness, "liveness" is the process, "model/NAME" is that model.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "grpc/health/v1/health.grpc.pb.h"
#include "server/base/mutex.h"
#include "server/rpc/transport/serve.h"

namespace torchferry::rpc {

// Thread-safe.
class HealthService final : public RpcService {
 public:
  // Whether a service is serving; nothing for one that is not known. Cheap and thread-safe.
  using Lookup = std::function<std::optional<bool>(const std::string& service)>;

  explicit HealthService(Lookup lookup) : lookup_(std::move(lookup)) {}

  grpc::Service& service() override { return service_; }
  void Serve(CallLoop& loop) override;

  // Something may have changed: each watcher whose status did is told.
  void Notify();
  // Ends every watch, and each that comes later at once, so that the server can stop.
  void EndWatches();

 private:
  using CheckRequest = grpc::health::v1::HealthCheckRequest;
  using CheckResponse = grpc::health::v1::HealthCheckResponse;
  using Watch = WatchCall<CheckRequest, CheckResponse>;
  class Watcher;
  class WatchHandler;

  absl::Status Check(const CheckRequest& request, CheckResponse& response) const;
  std::unique_ptr<StreamHandler> StartWatch(Watch& call);

  const Lookup lookup_;
  grpc::health::v1::Health::AsyncService service_;
  base::Mutex mutex_;
  std::set<std::shared_ptr<Watcher>> watchers_ FERRY_GUARDED_BY(mutex_);
  bool ended_ FERRY_GUARDED_BY(mutex_) = false;
};

}  // namespace torchferry::rpc
