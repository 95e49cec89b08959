#include "server/registry/reaper.h"

#include <utility>

#include "server/base/thread_name.h"

namespace torchferry::registry {

Reaper::Reaper() : thread_([this] { Loop(); }) {}

Reaper::~Reaper() {
  {
    base::MutexLock lock(mutex_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  thread_.join();
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
            changed_.NotifyAll();
          }};
}

void Reaper::Loop() {
  base::NameThisThread("reaper");
  while (true) {
    std::vector<Doomed> ending;
    {
      base::MutexLock lock(mutex_);
      // A worker may hold the last handle of a servable for a moment after it has answered.
      while (doomed_.empty() && !(stopping_ && alive_ == 0)) changed_.Wait(mutex_);
      if (doomed_.empty()) return;
      ending = std::exchange(doomed_, {});
    }
    const size_t count = ending.size();
    for (Doomed& doomed : ending) {
      doomed.servable.reset();  // outside the lock: it waits for running batches
      if (doomed.on_end) doomed.on_end();
    }
    base::MutexLock lock(mutex_);
    alive_ -= count;
  }
}

}  // namespace torchferry::registry
