#include "server/registry/store_watch.h"

#include "server/base/logging.h"
#include "server/base/status.h"
#include "server/base/thread_name.h"

namespace torchferry::registry {

StoreWatch::StoreWatch(Registry& registry, base::Duration interval)
    : registry_(registry), interval_(interval), thread_([this] { Loop(); }) {}

StoreWatch::~StoreWatch() {
  {
    base::MutexLock lock(mutex_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  thread_.join();
}

void StoreWatch::Loop() {
  base::NameThisThread("store-watch");
  while (WaitForNext()) {
    registry_.Rescan([this](const absl::Status& status) {
      if (!status.ok() && status.code() != absl::StatusCode::kUnavailable) {
        base::LogWarning("the store cannot be looked at", {{"reason", base::MessageOf(status)}});
      }
      base::MutexLock lock(mutex_);
      is_scanning_ = false;
      changed_.NotifyAll();
    });
    // Also when stopping: the registry has what refers to this until then.
    base::MutexLock lock(mutex_);
    while (is_scanning_) changed_.Wait(mutex_);
  }
}

bool StoreWatch::WaitForNext() {
  const base::TimePoint next = std::chrono::steady_clock::now() + interval_;
  base::MutexLock lock(mutex_);
  while (!stopping_ && std::chrono::steady_clock::now() < next) changed_.WaitUntil(mutex_, next);
  is_scanning_ = !stopping_;
  return is_scanning_;
}

}  // namespace torchferry::registry
