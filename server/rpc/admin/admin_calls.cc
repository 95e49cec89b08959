#include "server/rpc/admin/admin_calls.h"

#include <memory>
#include <set>
#include <utility>

#include "server/base/mutex.h"
#include "server/base/status.h"
#include "server/rpc/admin/audit.h"
#include "server/rpc/predict/request_builder.h"
#include "server/tensor/request_limits.h"

namespace torchferry::rpc {

// The call ends at the first of the registry's answer and the caller's going; the registry may come later.
class AdminWait final {
 public:
  AdminWait(Call& call, AuditRecord record, std::function<void()> encode)
      : call_(call), record_(std::move(record)), encode_(std::move(encode)) {}

  // What came of it. Any number of times: the first counts.
  void Done(const absl::Status& status) {
    base::MutexLock lock(mutex_);
    if (std::exchange(is_done_, true)) return;
    record_.Log(status, /*caller_has_gone=*/is_finished_);
    FinishWith(status);
  }

  // What it asked for goes on, and the audit waits for that.
  void CallerHasGone() {
    base::MutexLock lock(mutex_);
    FinishWith(absl::CancelledError("the caller went away; what it asked for goes on"));
  }

 private:
  void FinishWith(const absl::Status& status) FERRY_REQUIRES(mutex_) {
    if (std::exchange(is_finished_, true)) return;
    if (status.ok()) encode_();
    call_.Finish(status);
  }

  Call& call_;  // until it is finished
  const AuditRecord record_;
  const std::function<void()> encode_;
  base::Mutex mutex_;
  bool is_finished_ FERRY_GUARDED_BY(mutex_) = false;
  bool is_done_ FERRY_GUARDED_BY(mutex_) = false;
};

namespace {

absl::Status Ending() {
  return absl::UnavailableError("the server is shutting down; what was asked for may not be done");
}

}  // namespace

void AdminCalls::Run(Call& call, const AdminAct& act, absl::Status checked,
                     const std::function<void(registry::Registry::Done)>& start, std::function<void()> encode) {
  const auto wait = std::make_shared<AdminWait>(call, AuditRecord(call.caller(), act.method, act.model, act.versions),
                                                std::move(encode));
  if (checked.ok()) checked = call.caller().CheckModel(act.model);
  if (!checked.ok()) return wait->Done(checked);
  call.OnCancel([wait] { wait->CallerHasGone(); });
  bool has_ended = false;
  bool is_full = false;
  {
    base::MutexLock lock(mutex_);
    has_ended = has_ended_;
    // One whose caller went away counts for as long as what it asked for is not done.
    std::erase_if(running_, [](const auto& weak) { return weak.expired(); });
    is_full = running_.size() >= limits::kMaxAdminCalls;
    if (!is_full) running_.push_back(wait);
  }
  if (has_ended) {
    wait->Done(Ending());
  } else if (is_full) {
    wait->Done(base::MakeStatus(absl::StatusCode::kResourceExhausted,
                                "{} calls that load or unload are not done yet, the limit: try again later",
                                limits::kMaxAdminCalls));
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
  if (name.empty()) return absl::InvalidArgumentError("model_name is empty; name the model");
  return CheckNameLength("model_name", name);
}

absl::Status CheckVersionsToLoad(std::span<const int64_t> versions) {
  if (versions.size() > limits::kMaxLoadVersions) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                            "model_versions has {} versions; expected at most {}: load the others with another call",
                            versions.size(), limits::kMaxLoadVersions);
  }
  std::set<int64_t> seen;
  for (const int64_t version : versions) {
    if (version < 1) {
      return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                              "model_versions has {}; a version is a positive integer", version);
    }
    if (!seen.insert(version).second) {
      return base::MakeStatus(absl::StatusCode::kInvalidArgument, "model_versions has {} twice; name each once",
                              version);
    }
  }
  return absl::OkStatus();
}

}  // namespace torchferry::rpc
