// Who may come in, and how many are in: what a drain needs to know.
#pragma once

#include <cstdint>

#include "server/base/clock.h"
#include "server/base/mutex.h"

namespace torchferry::rpc {

// Thread-safe.
class Admission {
 public:
  // `now`: of the call. False once closed. Each true is followed by one Leave.
  bool Enter(base::TimePoint now);
  void Leave();

  void Close(base::TimePoint now);
  // Waits until nobody is in; false when `deadline` passed first.
  bool WaitUntilEmpty(base::TimePoint deadline);
  int64_t inside() const;

  // Once closed: waits until nobody has asked for so long, but not beyond `deadline`.
  void WaitUntilQuiet(base::Duration quiet, base::TimePoint deadline, const base::Clock& clock);

 private:
  mutable base::Mutex mutex_;
  base::CondVar empty_;
  int64_t inside_ FERRY_GUARDED_BY(mutex_) = 0;
  bool is_closed_ FERRY_GUARDED_BY(mutex_) = false;
  base::TimePoint last_asked_ FERRY_GUARDED_BY(mutex_){};  // since it is closed
};

}  // namespace torchferry::rpc
