#include "server/rpc/admission.h"

#include <algorithm>
#include <thread>

namespace torchferry {

bool Admission::Enter(TimePoint now) {
  MutexLock lock(mutex_);
  if (is_closed_) {
    last_asked_ = std::max(last_asked_, now);
    return false;
  }
  ++inside_;
  return true;
}

void Admission::Leave() {
  MutexLock lock(mutex_);
  if (--inside_ == 0) empty_.NotifyAll();
}

void Admission::Close(TimePoint now) {
  MutexLock lock(mutex_);
  is_closed_ = true;
  last_asked_ = now;
}

bool Admission::WaitUntilEmpty(TimePoint deadline) {
  MutexLock lock(mutex_);
  while (inside_ > 0) {
    if (!empty_.WaitUntil(mutex_, deadline) && inside_ > 0) return false;
  }
  return true;
}

void Admission::WaitUntilQuiet(Duration quiet, TimePoint deadline, const Clock& clock) {
  while (true) {
    TimePoint until;
    {
      MutexLock lock(mutex_);
      until = std::min(last_asked_ + quiet, deadline);
    }
    const TimePoint now = clock.Now();
    if (now >= until) return;
    std::this_thread::sleep_for(until - now);
  }
}

int64_t Admission::inside() const {
  MutexLock lock(mutex_);
  return inside_;
}

}  // namespace torchferry
