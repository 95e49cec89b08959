// grpc.health.v1: "" is readiness, "liveness" is the process, "model/NAME" is that model.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "grpc/health/v1/health.grpc.pb.h"
#include "server/base/mutex.h"

namespace torchferry {

// Thread-safe.
class HealthService final : public grpc::health::v1::Health::CallbackService {
 public:
  // Whether a service is serving; nothing for one that is not known. Cheap and thread-safe.
  using Lookup = std::function<std::optional<bool>(const std::string& service)>;

  explicit HealthService(Lookup lookup) : lookup_(std::move(lookup)) {}

  grpc::ServerUnaryReactor* Check(grpc::CallbackServerContext* context, const grpc::health::v1::HealthCheckRequest* request,
                                  grpc::health::v1::HealthCheckResponse* response) override;
  grpc::ServerWriteReactor<grpc::health::v1::HealthCheckResponse>* Watch(
      grpc::CallbackServerContext* context, const grpc::health::v1::HealthCheckRequest* request) override;

  // Something may have changed: each watcher whose status did is told.
  void Notify();
  // Ends every watch, and each that comes later at once, so that the server can stop.
  void EndWatches();

 private:
  class Watcher;

  const Lookup lookup_;
  Mutex mutex_;
  std::set<std::shared_ptr<Watcher>> watchers_ TF_GUARDED_BY(mutex_);
  bool ended_ TF_GUARDED_BY(mutex_) = false;
};

}  // namespace torchferry
