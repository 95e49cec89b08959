// Looks at the store every so often.
#pragma once

#include <thread>

#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/registry/registry.h"

namespace torchferry::registry {

// Calls Registry::Rescan every `interval`, one at a time, from its construction to its destruction.
class StoreWatch {
 public:
  StoreWatch(Registry& registry, base::Duration interval);
  ~StoreWatch();
  StoreWatch(const StoreWatch&) = delete;
  StoreWatch& operator=(const StoreWatch&) = delete;

 private:
  void Loop();
  // False when it is time to end.
  bool WaitForNext();

  Registry& registry_;
  const base::Duration interval_;
  base::Mutex mutex_;
  base::CondVar changed_;
  bool stopping_ FERRY_GUARDED_BY(mutex_) = false;
  bool is_scanning_ FERRY_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace torchferry::registry
