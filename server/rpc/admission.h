// Who may come in, and how many are in: what a drain needs to know.
#pragma once

#include <cstdint>

#include "server/base/clock.h"
#include "server/base/mutex.h"

namespace torchferry {

// Thread-safe.
class Admission {
 public:
  // False once closed. Each true is followed by one Leave.
  bool Enter();
  void Leave();

  void Close();
  // Waits until nobody is in; false when `deadline` passed first.
  bool WaitUntilEmpty(TimePoint deadline);
  int64_t inside() const;

 private:
  mutable Mutex mutex_;
  CondVar empty_;
  int64_t inside_ TF_GUARDED_BY(mutex_) = 0;
  bool is_closed_ TF_GUARDED_BY(mutex_) = false;
};

}  // namespace torchferry
