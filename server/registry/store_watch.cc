#include "server/registry/store_watch.h"

#include "server/base/logging.h"
#include "server/base/status.h"

namespace torchferry::registry {

StoreWatch::StoreWatch(Registry& registry, base::Duration interval) : registry_(registry), interval_(interval) {
  loop_.Start(base::Clock::Real().Now() + interval_);
}

base::TimePoint StoreWatch::Look() {
  constexpr int kMaxUnanswered = 8;  // models whose loads last, or a registry that does not come to look
  if (*unanswered_ < kMaxUnanswered) {
    ++*unanswered_;
    registry_.Rescan([unanswered = unanswered_](const absl::Status& status) {
      if (!status.ok() && status.code() != absl::StatusCode::kUnavailable) {
        base::LogWarning("the store cannot be looked at", {{"reason", base::MessageOf(status)}});
      }
      --*unanswered;
    });
  }
  return base::Clock::Real().Now() + interval_;
}

}  // namespace torchferry::registry
