#include "server/rpc/admin_calls.h"

#include <memory>
#include <utility>

#include "server/base/mutex.h"
#include "server/base/status.h"
#include "server/rpc/status_map.h"

namespace torchferry {

// The call ends at the first of the registry's answer and the caller's going; the registry may come later.
class AdminReactor final : public grpc::ServerUnaryReactor, public std::enable_shared_from_this<AdminReactor> {
 public:
  explicit AdminReactor(std::function<void()> encode) : encode_(std::move(encode)) {}

  void Hold() { self_ = shared_from_this(); }

  void Done(const absl::Status& status) {
    MutexLock lock(mutex_);
    if (std::exchange(is_finished_, true)) return;
    if (status.ok()) encode_();
    Finish(ToGrpc(status));
  }
  void OnCancel() override { Done(absl::CancelledError("the caller went away; what it asked for goes on")); }
  void OnDone() override { const auto last = std::move(self_); }

 private:
  const std::function<void()> encode_;
  Mutex mutex_;
  bool is_finished_ TF_GUARDED_BY(mutex_) = false;
  std::shared_ptr<AdminReactor> self_;  // until gRPC is done with it
};

namespace {

absl::Status Ending() { return absl::UnavailableError("the server is shutting down; what was asked for may not be done"); }

}  // namespace

grpc::ServerUnaryReactor* AdminCalls::Run(const std::function<void(Registry::Done)>& start, std::function<void()> encode) {
  const auto reactor = std::make_shared<AdminReactor>(std::move(encode));
  reactor->Hold();
  bool has_ended = false;
  {
    MutexLock lock(mutex_);
    has_ended = has_ended_;
    std::erase_if(running_, [](const auto& weak) { return weak.expired(); });
    running_.push_back(reactor);
  }
  if (has_ended) {
    reactor->Done(Ending());
  } else {
    start([reactor](const absl::Status& status) { reactor->Done(status); });
  }
  return reactor.get();
}

void AdminCalls::EndAll() {
  std::vector<std::weak_ptr<AdminReactor>> running;
  {
    MutexLock lock(mutex_);
    has_ended_ = true;
    running.swap(running_);
  }
  for (const auto& weak : running) {
    if (const auto reactor = weak.lock()) reactor->Done(Ending());
  }
}

absl::Status CheckAdminIsHere(bool is_here) {
  if (is_here) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "models are not loaded and unloaded at this address: start the server with --enable-admin; if it is, call its --admin-address");
}

absl::Status CheckModelName(const std::string& name) {
  return name.empty() ? absl::InvalidArgumentError("model_name is empty; name the model") : absl::OkStatus();
}

}  // namespace torchferry
