#include "server/registry/reaper.h"

#include <utility>

namespace torchferry {

Reaper::Reaper() : thread_([this] { Loop(); }) {}

Reaper::~Reaper() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  thread_.join();
}

std::shared_ptr<Servable> Reaper::Adopt(std::unique_ptr<Servable> servable) {
  {
    MutexLock lock(mutex_);
    ++alive_;
  }
  return {servable.release(), [this](Servable* last) {
            MutexLock lock(mutex_);
            doomed_.emplace_back(last);
            changed_.NotifyAll();
          }};
}

void Reaper::Loop() {
  while (true) {
    std::vector<std::unique_ptr<Servable>> ending;
    {
      MutexLock lock(mutex_);
      // A worker may hold the last handle of a servable for a moment after it has answered.
      while (doomed_.empty() && !(stopping_ && alive_ == 0)) changed_.Wait(mutex_);
      if (doomed_.empty()) return;
      ending = std::exchange(doomed_, {});
    }
    const size_t count = ending.size();
    ending.clear();  // outside the lock: it waits for running batches
    MutexLock lock(mutex_);
    alive_ -= count;
  }
}

}  // namespace torchferry
