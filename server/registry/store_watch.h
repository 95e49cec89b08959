// Looks at the store at a fixed interval.
#pragma once

#include <atomic>
#include <memory>

#include "server/base/clock.h"
#include "server/base/loop_thread.h"
#include "server/registry/registry.h"

namespace torchferry::registry {

// Calls Registry::Rescan every `interval`, from its construction to its destruction. Loads that last do not delay the
// next look, unless 8 looks are unanswered.
class StoreWatch {
 public:
  StoreWatch(Registry& registry, base::Duration interval);
  StoreWatch(const StoreWatch&) = delete;
  StoreWatch& operator=(const StoreWatch&) = delete;

 private:
  // Returns when the next look is due.
  base::TimePoint Look();

  Registry& registry_;
  const base::Duration interval_;
  // The number of looks that have not been answered.
  const std::shared_ptr<std::atomic<int>> unanswered_ = std::make_shared<std::atomic<int>>(0);
  base::LoopThread loop_{"store-watch", [this] { return Look(); }};
};

}  // namespace torchferry::registry
