#include "server/registry/end_waits.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace torchferry::registry {

int64_t EndWaits::Begin() {
  base::MutexLock lock(mutex_);
  alive_.insert(++last_);
  return last_;
}

void EndWaits::End(int64_t generation) {
  std::vector<std::function<void()>> answered;
  {
    base::MutexLock lock(mutex_);
    alive_.erase(generation);
    for (Wait& wait : waits_) {
      wait.generations.erase(generation);
      if (wait.generations.empty()) answered.push_back(std::move(wait.done));
    }
    std::erase_if(waits_, [](const Wait& wait) { return wait.generations.empty(); });
  }
  for (const auto& done : answered) done();
}

void EndWaits::Await(const std::set<int64_t>& generations, std::function<void()> done) {
  {
    base::MutexLock lock(mutex_);
    std::set<int64_t> waiting;
    std::ranges::set_intersection(generations, alive_, std::inserter(waiting, waiting.end()));
    if (!waiting.empty()) return waits_.push_back({std::move(waiting), std::move(done)});
  }
  done();
}

}  // namespace torchferry::registry
