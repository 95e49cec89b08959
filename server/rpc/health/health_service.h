// grpc.health.v1: "" is readiness, "liveness" is the process, "model/NAME" is that model.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "grpc/health/v1/health.grpc.pb.h"
#include "server/base/mutex.h"
#include "server/rpc/transport/rpc_method.h"
#include "server/tensor/request_limits.h"

namespace torchferry::rpc {

// Thread-safe.
class HealthService final : public RpcService {
 public:
  // Whether a service is serving; empty for one that is unknown, or that the caller may not see. Must be cheap and
  // thread-safe.
  using Lookup = std::function<std::optional<bool>(const identity::Caller& caller, const std::string& service)>;

  // A Watch beyond one of these limits gets RESOURCE_EXHAUSTED.
  struct Options {
    size_t max_watches = limits::kMaxWatches;
    size_t max_watches_of_connection = limits::kMaxWatchesOfConnection;
  };

  explicit HealthService(Lookup lookup) : HealthService(std::move(lookup), Options()) {}
  HealthService(Lookup lookup, Options options) : options_(options), lookup_(std::move(lookup)) {}

  grpc::Service& service() override { return service_; }
  void Serve(CallLoop& loop) override;

  // Must be called when a status may have changed. Tells each watcher whose status has changed.
  void Notify();
  // Ends every watch, and later ones at once, so that the server can stop.
  void EndWatches();

 private:
  using CheckRequest = grpc::health::v1::HealthCheckRequest;
  using CheckResponse = grpc::health::v1::HealthCheckResponse;
  using Watch = WatchCall<CheckRequest, CheckResponse>;
  class Watcher;
  class WatchHandler;

  absl::Status Check(const identity::Caller& caller, const CheckRequest& request, CheckResponse& response) const;
  std::unique_ptr<StreamHandler> StartWatch(Watch& call);
  // Adds `watcher`, and counts it in `of_connection`. RESOURCE_EXHAUSTED: a limit is reached.
  absl::Status Admit(const std::shared_ptr<Watcher>& watcher, size_t& of_connection) FERRY_REQUIRES(mutex_);

  const Options options_;
  const Lookup lookup_;
  RawService<grpc::health::v1::Health> service_;
  base::Mutex mutex_;
  std::set<std::shared_ptr<Watcher>> watchers_ FERRY_GUARDED_BY(mutex_);
  std::map<std::string, size_t> watches_of_ FERRY_GUARDED_BY(mutex_);  // by connection; without zeros
  bool ended_ FERRY_GUARDED_BY(mutex_) = false;
};

}  // namespace torchferry::rpc
