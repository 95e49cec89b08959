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

void EndWaits::End(int64_t generation, const absl::Status& status) {
  std::vector<Wait> answered;
  {
    base::MutexLock lock(mutex_);
    alive_.erase(generation);
    for (Wait& wait : waits_) {
      if (wait.generations.erase(generation) > 0 && wait.status.ok()) wait.status = status;
      if (wait.generations.empty()) answered.push_back(std::move(wait));
    }
    std::erase_if(waits_, [](const Wait& wait) { return wait.generations.empty(); });
  }
  for (const Wait& wait : answered) wait.done(wait.status);
}

void EndWaits::Await(const std::set<int64_t>& generations, Done done) {
  {
    base::MutexLock lock(mutex_);
    std::set<int64_t> waiting;
    std::ranges::set_intersection(generations, alive_, std::inserter(waiting, waiting.end()));
    if (!waiting.empty()) return waits_.push_back({std::move(waiting), std::move(done), {}});
  }
  done(absl::OkStatus());
}

}  // namespace torchferry::registry
