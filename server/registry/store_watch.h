// Looks at the store every so often.
#pragma once

#include <thread>

#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/registry/registry.h"

namespace torchferry {

// Calls Registry::Rescan every `interval`, one at a time, from its construction to its destruction.
class StoreWatch {
 public:
  StoreWatch(Registry& registry, Duration interval);
  ~StoreWatch();
  StoreWatch(const StoreWatch&) = delete;
  StoreWatch& operator=(const StoreWatch&) = delete;

 private:
  void Loop();
  // False when it is time to end.
  bool WaitForNext();

  Registry& registry_;
  const Duration interval_;
  Mutex mutex_;
  CondVar changed_;
  bool stopping_ TF_GUARDED_BY(mutex_) = false;
  bool is_scanning_ TF_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace torchferry
