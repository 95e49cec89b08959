// Counts the requests inside the server, and admits no more once a drain has closed it.
#pragma once

#include <cstdint>

#include "server/base/clock.h"
#include "server/base/mutex.h"

namespace torchferry::rpc {

// Thread-safe.
class Admission {
 public:
  // `now`: when the call arrived. False once closed. Each true must be followed by one Leave.
  bool Enter(base::TimePoint now);
  void Leave();

  void Close(base::TimePoint now);
  // Waits until no request is inside; false when `deadline` passed first.
  bool WaitUntilEmpty(base::TimePoint deadline);
  int64_t inside() const;

  // To be called once closed. Waits until no request has arrived for `quiet`, max until `deadline`.
  void WaitUntilQuiet(base::Duration quiet, base::TimePoint deadline, const base::Clock& clock);

 private:
  mutable base::Mutex mutex_;
  base::CondVar empty_;
  int64_t inside_ FERRY_GUARDED_BY(mutex_) = 0;
  bool is_closed_ FERRY_GUARDED_BY(mutex_) = false;
  base::TimePoint last_asked_ FERRY_GUARDED_BY(mutex_){};  // the last Enter since Close
};

}  // namespace torchferry::rpc
