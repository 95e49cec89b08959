#include "server/registry/reaper.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace torchferry::registry {
namespace {

// For one that ends, before the next has its turn.
constexpr base::Duration kPatience = std::chrono::milliseconds(50);
// For one of which something does not end.
constexpr base::Duration kLook = std::chrono::milliseconds(1);
constexpr base::Duration kBetweenLooks = std::chrono::milliseconds(250);

}  // namespace

Reaper::~Reaper() {
  base::MutexLock lock(mutex_);
  // A worker may hold the last handle of a servable for a moment after it has answered.
  while (alive_ > 0) none_alive_.Wait(mutex_);
}

std::shared_ptr<serving::Servable> Reaper::Adopt(std::unique_ptr<serving::Servable> servable, Ends ends) {
  {
    base::MutexLock lock(mutex_);
    ++alive_;
  }
  return {servable.release(), [this, ends = std::move(ends)](serving::Servable* last) {
            base::MutexLock lock(mutex_);
            doomed_.push_back({std::unique_ptr<serving::Servable>(last), ends});
            loop_.Wake();  // under the lock, which the destructor of this takes
          }};
}

// Outside the lock: it waits for running batches.
bool Reaper::End(Doomed& doomed) {
  if (!std::exchange(doomed.is_closed, true)) doomed.servable->BeginClose();
  const bool has_ended = doomed.servable->HasEnded(base::Clock::Real().Now() + (doomed.is_stuck ? kLook : kPatience));
  if (has_ended) {
    doomed.servable.reset();
    if (doomed.ends.on_end) doomed.ends.on_end();
  } else if (!doomed.is_stuck && doomed.servable->is_stuck()) {
    doomed.is_stuck = true;
    if (doomed.ends.on_stuck) doomed.ends.on_stuck();
  }
  return has_ended;
}

base::TimePoint Reaper::EndDoomed() {
  {
    base::MutexLock lock(mutex_);
    std::move(doomed_.begin(), doomed_.end(), std::back_inserter(ending_));
    doomed_.clear();
  }
  size_t ended = 0;
  for (Doomed& doomed : ending_) ended += End(doomed) ? 1 : 0;
  std::erase_if(ending_, [](const Doomed& doomed) { return doomed.servable == nullptr; });
  const bool are_all_stuck = std::ranges::all_of(ending_, &Doomed::is_stuck);
  {
    base::MutexLock lock(mutex_);
    alive_ -= ended;
    if (alive_ == 0) none_alive_.NotifyAll();
  }
  if (ending_.empty()) return base::kNoDeadline;
  return are_all_stuck ? base::Clock::Real().Now() + kBetweenLooks : base::TimePoint::min();
}

}  // namespace torchferry::registry
