#include "server/rpc/health/health_service.h"

#include <utility>
#include <vector>

#include "server/base/status.h"
#include "server/tensor/request_limits.h"

namespace torchferry::rpc {
namespace {

using grpc::health::v1::HealthCheckResponse;

// Of "model/NAME".
constexpr size_t kMaxServiceBytes = limits::kMaxNameBytes + 6;

absl::Status CheckService(const std::string& name) {
  if (name.size() <= kMaxServiceBytes) return absl::OkStatus();
  return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                          "the service's name has {} bytes; expected at most {}: \"\", \"liveness\" or \"model/NAME\"",
                          name.size(), kMaxServiceBytes);
}

HealthCheckResponse::ServingStatus ToProto(std::optional<bool> serving) {
  if (!serving.has_value()) return HealthCheckResponse::SERVICE_UNKNOWN;
  return *serving ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING;
}

}  // namespace

// One Watch call. gRPC allows one write at a time, so what changes during a write is looked at after it.
class HealthService::Watcher final {
 public:
  Watcher(HealthService& service, Watch& call)
      : service_(service), name_(call.request().service()), caller_(call.caller()), call_(call) {}

  const std::string& peer() const { return caller_.peer(); }

  // On any thread, several at a time.
  void Update() {
    const uint64_t look = BeginLook();
    const auto now = ToProto(service_.lookup_(caller_, name_));
    base::MutexLock lock(mutex_);
    // A look that began later has seen what this one saw, or what came after it.
    if (look != looks_) return;
    if (is_finished_ || (last_ == now && !is_writing_)) return;
    if (is_writing_) {
      is_stale_ = true;
      return;
    }
    last_ = now;
    response_.set_status(now);
    is_writing_ = true;
    call_.Write(response_);
  }

  // Instead of anything else.
  void Refuse(const absl::Status& why) {
    base::MutexLock lock(mutex_);
    FinishWith(why);
  }

  // After the last change was told.
  void End() {
    base::MutexLock lock(mutex_);
    is_ending_ = true;
    if (!is_writing_) FinishWith(absl::UnavailableError("the server is shutting down"));
  }

  void OnWritten(bool ok) {
    bool is_stale = false;
    bool is_ending = false;
    {
      base::MutexLock lock(mutex_);
      is_writing_ = false;
      is_stale = std::exchange(is_stale_, false);
      is_ending = is_ending_;
    }
    if (!ok) return OnCancel();
    if (is_stale) Update();
    if (is_ending) End();
  }
  void OnCancel() {
    base::MutexLock lock(mutex_);
    FinishWith(absl::CancelledError("the watcher went away"));
  }

 private:
  uint64_t BeginLook() {
    base::MutexLock lock(mutex_);
    return ++looks_;
  }

  void FinishWith(const absl::Status& status) FERRY_REQUIRES(mutex_) {
    if (std::exchange(is_finished_, true)) return;
    call_.Finish(status);
  }

  HealthService& service_;
  const std::string name_;
  const identity::Caller caller_;
  Watch& call_;  // until it is finished
  base::Mutex mutex_;
  uint64_t looks_ FERRY_GUARDED_BY(mutex_) = 0;  // begun
  HealthCheckResponse response_ FERRY_GUARDED_BY(mutex_);
  std::optional<HealthCheckResponse::ServingStatus> last_ FERRY_GUARDED_BY(mutex_);
  bool is_writing_ FERRY_GUARDED_BY(mutex_) = false;
  bool is_stale_ FERRY_GUARDED_BY(mutex_) = false;
  bool is_ending_ FERRY_GUARDED_BY(mutex_) = false;
  bool is_finished_ FERRY_GUARDED_BY(mutex_) = false;
};

// The call's own hold on its watcher.
class HealthService::WatchHandler final : public StreamHandler {
 public:
  WatchHandler(HealthService& service, std::shared_ptr<Watcher> watcher)
      : service_(service), watcher_(std::move(watcher)) {}
  ~WatchHandler() override {
    base::MutexLock lock(service_.mutex_);
    if (service_.watchers_.erase(watcher_) == 0) return;
    const auto of_connection = service_.watches_of_.find(watcher_->peer());
    if (--of_connection->second == 0) service_.watches_of_.erase(of_connection);
  }

  void OnWritten(bool ok) override { watcher_->OnWritten(ok); }
  void OnCancel() override { watcher_->OnCancel(); }

 private:
  HealthService& service_;
  const std::shared_ptr<Watcher> watcher_;
};

void HealthService::Serve(CallLoop& loop) {
  using Service = grpc::health::v1::Health::AsyncService;
  RegisterUnary(
      loop, service_, &Service::RequestCheck,
      [this](const auto& caller, const auto& request, auto& response) { return Check(caller, request, response); });
  RegisterWatch(loop, service_, &Service::RequestWatch, [this](auto& call) { return StartWatch(call); });
}

absl::Status HealthService::Check(const identity::Caller& caller, const CheckRequest& request,
                                  CheckResponse& response) const {
  FERRY_RETURN_IF_ERROR(CheckService(request.service()));
  const std::optional<bool> serving = lookup_(caller, request.service());
  if (!serving.has_value()) {
    return base::MakeStatus(absl::StatusCode::kNotFound,
                            "unknown service \"{}\"; known are \"\" (readiness), \"liveness\" and \"model/NAME\"",
                            request.service());
  }
  response.set_status(ToProto(serving));
  return absl::OkStatus();
}

absl::Status HealthService::Admit(const std::shared_ptr<Watcher>& watcher, size_t& of_connection) {
  const bool is_of_connection = of_connection >= options_.max_watches_of_connection;
  if (!is_of_connection && watchers_.size() < options_.max_watches) {
    ++of_connection;
    watchers_.insert(watcher);
    return absl::OkStatus();
  }
  return base::MakeStatus(absl::StatusCode::kResourceExhausted,
                          "{} watches are open{}, the limit: end one, or ask with Check",
                          is_of_connection ? options_.max_watches_of_connection : options_.max_watches,
                          is_of_connection ? " on this connection" : "");
}

std::unique_ptr<StreamHandler> HealthService::StartWatch(Watch& call) {
  const absl::Status named = CheckService(call.request().service());
  const auto watcher = std::make_shared<Watcher>(*this, call);
  auto handler = std::make_unique<WatchHandler>(*this, watcher);
  bool ended = false;
  absl::Status admitted = named;
  if (admitted.ok()) {
    base::MutexLock lock(mutex_);
    size_t& of_connection = watches_of_[watcher->peer()];
    admitted = Admit(watcher, of_connection);
    if (of_connection == 0) watches_of_.erase(watcher->peer());
    ended = ended_;
  }
  if (!admitted.ok()) {
    watcher->Refuse(admitted);
    return handler;
  }
  watcher->Update();
  if (ended) watcher->End();
  return handler;
}

void HealthService::Notify() {
  std::vector<std::shared_ptr<Watcher>> watchers;
  {
    base::MutexLock lock(mutex_);
    watchers.assign(watchers_.begin(), watchers_.end());
  }
  for (const auto& watcher : watchers) watcher->Update();
}

void HealthService::EndWatches() {
  std::vector<std::shared_ptr<Watcher>> watchers;
  {
    base::MutexLock lock(mutex_);
    ended_ = true;
    watchers.assign(watchers_.begin(), watchers_.end());
  }
  for (const auto& watcher : watchers) watcher->End();
}

}  // namespace torchferry::rpc
