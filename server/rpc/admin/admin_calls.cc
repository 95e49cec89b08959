#include "server/rpc/admin/admin_calls.h"

#include <memory>
#include <utility>

#include "server/base/mutex.h"
#include "server/base/status.h"

namespace torchferry::rpc {

// The call ends at the first of the registry's answer and the caller's going; the registry may come later.
class AdminWait final {
 public:
  AdminWait(Call& call, std::function<void()> encode) : call_(call), encode_(std::move(encode)) {}

  void Done(const absl::Status& status) {
    base::MutexLock lock(mutex_);
    if (std::exchange(is_finished_, true)) return;
    if (status.ok()) encode_();
    call_.Finish(status);
  }

 private:
  Call& call_;  // until it is finished
  const std::function<void()> encode_;
  base::Mutex mutex_;
  bool is_finished_ FERRY_GUARDED_BY(mutex_) = false;
};

namespace {

absl::Status Ending() {
  return absl::UnavailableError("the server is shutting down; what was asked for may not be done");
}

}  // namespace

void AdminCalls::Run(Call& call, const std::function<void(registry::Registry::Done)>& start,
                     std::function<void()> encode) {
  const auto wait = std::make_shared<AdminWait>(call, std::move(encode));
  call.OnCancel([wait] { wait->Done(absl::CancelledError("the caller went away; what it asked for goes on")); });
  bool has_ended = false;
  {
    base::MutexLock lock(mutex_);
    has_ended = has_ended_;
    std::erase_if(running_, [](const auto& weak) { return weak.expired(); });
    running_.push_back(wait);
  }
  if (has_ended) {
    wait->Done(Ending());
  } else {
    start([wait](const absl::Status& status) { wait->Done(status); });
  }
}

void AdminCalls::EndAll() {
  std::vector<std::weak_ptr<AdminWait>> running;
  {
    base::MutexLock lock(mutex_);
    has_ended_ = true;
    running.swap(running_);
  }
  for (const auto& weak : running) {
    if (const auto wait = weak.lock()) wait->Done(Ending());
  }
}

absl::Status CheckAdminIsHere(bool is_here) {
  if (is_here) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "models are not loaded and unloaded at this address: start the server with --enable-admin; if it is, call its "
      "--admin-address");
}

absl::Status CheckModelName(const std::string& name) {
  return name.empty() ? absl::InvalidArgumentError("model_name is empty; name the model") : absl::OkStatus();
}

}  // namespace torchferry::rpc
