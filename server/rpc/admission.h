// Who may come in, and how many are in: what a drain needs to know.
#pragma once

#include <cstdint>

#include "server/base/clock.h"
#include "server/base/mutex.h"

namespace torchferry {

// Thread-safe.
class Admission {
 public:
  // `now`: of the call. False once closed. Each true is followed by one Leave.
  bool Enter(TimePoint now);
  void Leave();

  void Close(TimePoint now);
  // Waits until nobody is in; false when `deadline` passed first.
  bool WaitUntilEmpty(TimePoint deadline);
  int64_t inside() const;

  // Once closed: waits until nobody has asked for so long, but not beyond `deadline`.
  void WaitUntilQuiet(Duration quiet, TimePoint deadline, const Clock& clock);

 private:
  mutable Mutex mutex_;
  CondVar empty_;
  int64_t inside_ TF_GUARDED_BY(mutex_) = 0;
  bool is_closed_ TF_GUARDED_BY(mutex_) = false;
  TimePoint last_asked_ TF_GUARDED_BY(mutex_){};  // since it is closed
};

}  // namespace torchferry
