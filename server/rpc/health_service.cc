#include "server/rpc/health_service.h"

#include <utility>
#include <vector>

namespace torchferry {
namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

HealthCheckResponse::ServingStatus ToProto(std::optional<bool> serving) {
  if (!serving.has_value()) return HealthCheckResponse::SERVICE_UNKNOWN;
  return *serving ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING;
}

}  // namespace

// One Watch call. gRPC allows one write at a time, so what changes during a write is looked at after it.
class HealthService::Watcher final : public grpc::ServerWriteReactor<HealthCheckResponse>,
                                     public std::enable_shared_from_this<Watcher> {
 public:
  Watcher(HealthService& service, std::string name) : service_(service), name_(std::move(name)) {}

  void Update() {
    const auto now = ToProto(service_.lookup_(name_));
    MutexLock lock(mutex_);
    if (is_finished_ || (last_ == now && !is_writing_)) return;
    if (is_writing_) {
      is_stale_ = true;
      return;
    }
    last_ = now;
    response_.set_status(now);
    is_writing_ = true;
    StartWrite(&response_);
  }

  // After the last change was told.
  void End() {
    MutexLock lock(mutex_);
    is_ending_ = true;
    if (!is_writing_) FinishWith({grpc::StatusCode::UNAVAILABLE, "the server is shutting down"});
  }

  void OnWriteDone(bool ok) override {
    bool is_stale = false;
    bool is_ending = false;
    {
      MutexLock lock(mutex_);
      is_writing_ = false;
      is_stale = std::exchange(is_stale_, false);
      is_ending = is_ending_;
    }
    if (!ok) return OnCancel();
    if (is_stale) Update();
    if (is_ending) End();
  }
  void OnCancel() override {
    MutexLock lock(mutex_);
    FinishWith({grpc::StatusCode::CANCELLED, "the watcher went away"});
  }
  void OnDone() override {
    const auto self = shared_from_this();  // until this function has returned
    MutexLock lock(service_.mutex_);
    service_.watchers_.erase(self);
  }

 private:
  void FinishWith(const grpc::Status& status) TF_REQUIRES(mutex_) {
    if (std::exchange(is_finished_, true)) return;
    Finish(status);
  }

  HealthService& service_;
  const std::string name_;
  Mutex mutex_;
  HealthCheckResponse response_ TF_GUARDED_BY(mutex_);
  std::optional<HealthCheckResponse::ServingStatus> last_ TF_GUARDED_BY(mutex_);
  bool is_writing_ TF_GUARDED_BY(mutex_) = false;
  bool is_stale_ TF_GUARDED_BY(mutex_) = false;
  bool is_ending_ TF_GUARDED_BY(mutex_) = false;
  bool is_finished_ TF_GUARDED_BY(mutex_) = false;
};

grpc::ServerUnaryReactor* HealthService::Check(grpc::CallbackServerContext* context, const HealthCheckRequest* request,
                                               HealthCheckResponse* response) {
  auto* reactor = context->DefaultReactor();
  const std::optional<bool> serving = lookup_(request->service());
  if (!serving.has_value()) {
    reactor->Finish({grpc::StatusCode::NOT_FOUND,
                     "unknown service \"" + request->service() + "\"; known are \"\" (readiness), \"liveness\" and \"model/NAME\""});
    return reactor;
  }
  response->set_status(ToProto(serving));
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerWriteReactor<HealthCheckResponse>* HealthService::Watch(grpc::CallbackServerContext*, const HealthCheckRequest* request) {
  const auto watcher = std::make_shared<Watcher>(*this, request->service());
  bool ended = false;
  {
    MutexLock lock(mutex_);
    watchers_.insert(watcher);
    ended = ended_;
  }
  watcher->Update();
  if (ended) watcher->End();
  return watcher.get();
}

void HealthService::Notify() {
  std::vector<std::shared_ptr<Watcher>> watchers;
  {
    MutexLock lock(mutex_);
    watchers.assign(watchers_.begin(), watchers_.end());
  }
  for (const auto& watcher : watchers) watcher->Update();
}

void HealthService::EndWatches() {
  std::vector<std::shared_ptr<Watcher>> watchers;
  {
    MutexLock lock(mutex_);
    ended_ = true;
    watchers.assign(watchers_.begin(), watchers_.end());
  }
  for (const auto& watcher : watchers) watcher->End();
}

}  // namespace torchferry
