#include "server/registry/reaper.h"

#include <utility>

namespace torchferry::registry {

Reaper::~Reaper() {
  base::MutexLock lock(mutex_);
  // A worker may hold the last handle of a servable for a moment after it has answered.
  while (alive_ > 0) none_alive_.Wait(mutex_);
}

std::shared_ptr<serving::Servable> Reaper::Adopt(std::unique_ptr<serving::Servable> servable,
                                                 std::function<void()> on_end) {
  {
    base::MutexLock lock(mutex_);
    ++alive_;
  }
  return {servable.release(), [this, on_end = std::move(on_end)](serving::Servable* last) {
            base::MutexLock lock(mutex_);
            doomed_.push_back({std::unique_ptr<serving::Servable>(last), on_end});
            loop_.Wake();  // under the lock, which the destructor of this takes
          }};
}

base::TimePoint Reaper::EndDoomed() {
  std::vector<Doomed> ending;
  {
    base::MutexLock lock(mutex_);
    ending = std::exchange(doomed_, {});
  }
  for (Doomed& doomed : ending) {
    doomed.servable.reset();  // outside the lock: it waits for running batches
    if (doomed.on_end) doomed.on_end();
  }
  base::MutexLock lock(mutex_);
  alive_ -= ending.size();
  if (alive_ == 0) none_alive_.NotifyAll();
  return base::kNoDeadline;
}

}  // namespace torchferry::registry
