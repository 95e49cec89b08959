#include "server/rpc/predict/admission.h"

#include <algorithm>
#include <thread>

namespace torchferry::rpc {

bool Admission::Enter(base::TimePoint now) {
  base::MutexLock lock(mutex_);
  if (is_closed_) {
    last_asked_ = std::max(last_asked_, now);
    return false;
  }
  ++inside_;
  return true;
}

void Admission::Leave() {
  base::MutexLock lock(mutex_);
  if (--inside_ == 0) empty_.NotifyAll();
}

void Admission::Close(base::TimePoint now) {
  base::MutexLock lock(mutex_);
  is_closed_ = true;
  last_asked_ = now;
}

bool Admission::WaitUntilEmpty(base::TimePoint deadline) {
  base::MutexLock lock(mutex_);
  while (inside_ > 0) {
    if (!empty_.WaitUntil(mutex_, deadline) && inside_ > 0) return false;
  }
  return true;
}

void Admission::WaitUntilQuiet(base::Duration quiet, base::TimePoint deadline, const base::Clock& clock) {
  while (true) {
    base::TimePoint until;
    {
      base::MutexLock lock(mutex_);
      until = std::min(last_asked_ + quiet, deadline);
    }
    const base::TimePoint now = clock.Now();
    if (now >= until) return;
    std::this_thread::sleep_for(until - now);
  }
}

int64_t Admission::inside() const {
  base::MutexLock lock(mutex_);
  return inside_;
}

}  // namespace torchferry::rpc
