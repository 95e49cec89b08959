#include "server/rpc/admission.h"

namespace torchferry {

bool Admission::Enter() {
  MutexLock lock(mutex_);
  if (is_closed_) return false;
  ++inside_;
  return true;
}

void Admission::Leave() {
  MutexLock lock(mutex_);
  if (--inside_ == 0) empty_.NotifyAll();
}

void Admission::Close() {
  MutexLock lock(mutex_);
  is_closed_ = true;
}

bool Admission::WaitUntilEmpty(TimePoint deadline) {
  MutexLock lock(mutex_);
  while (inside_ > 0) {
    if (!empty_.WaitUntil(mutex_, deadline) && inside_ > 0) return false;
  }
  return true;
}

int64_t Admission::inside() const {
  MutexLock lock(mutex_);
  return inside_;
}

}  // namespace torchferry
