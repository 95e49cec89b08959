#include "server/registry/store_watch.h"

#include <future>
#include <memory>

#include "server/base/logging.h"
#include "server/base/status.h"

namespace torchferry::registry {

StoreWatch::StoreWatch(Registry& registry, base::Duration interval) : registry_(registry), interval_(interval) {
  loop_.Start(base::Clock::Real().Now() + interval_);
}

base::TimePoint StoreWatch::Look() {
  const auto answered = std::make_shared<std::promise<void>>();
  registry_.Rescan([answered](const absl::Status& status) {
    if (!status.ok() && status.code() != absl::StatusCode::kUnavailable) {
      base::LogWarning("the store cannot be looked at", {{"reason", base::MessageOf(status)}});
    }
    answered->set_value();
  });
  answered->get_future().wait();
  return base::Clock::Real().Now() + interval_;
}

}  // namespace torchferry::registry
