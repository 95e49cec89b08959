// Looks at the store every so often.
#pragma once

#include "server/base/clock.h"
#include "server/base/loop_thread.h"
#include "server/registry/registry.h"

namespace torchferry::registry {

// Calls Registry::Rescan every `interval`, one at a time, from its construction to its destruction, which waits for the
// answer to one that is under way.
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
  base::LoopThread loop_{"store-watch", [this] { return Look(); }};
};

}  // namespace torchferry::registry
