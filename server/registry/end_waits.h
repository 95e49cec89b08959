// The loads that have not ended yet, and the callers that wait for the end of some of them.
#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <functional>
#include <set>
#include <vector>

#include "server/base/mutex.h"

namespace torchferry::registry {

// Thread-safe. A generation is one load of one version, from when its servable is made until that has ended.
class EndWaits {
 public:
  // Returns a new generation, which is alive from now on. Each is returned once.
  int64_t Begin();
  using Done = std::function<void(const absl::Status&)>;

  // `generation` has ended. Calls, on this thread, those who waited for it and for no other generation that is alive.
  void End(int64_t generation) { End(generation, absl::OkStatus()); }
  // `generation` does not end, as `why` says: nobody waits for it any more.
  void GiveUp(int64_t generation, const absl::Status& why) { End(generation, why); }
  // Calls `done` once, when no generation in `generations` is alive. That is on the thread that ends the last, or at
  // once on this one. `done` gets OK, or why one of them does not end. No lock is held.
  void Await(const std::set<int64_t>& generations, Done done);

 private:
  struct Wait {
    std::set<int64_t> generations;  // the ones that are still alive
    Done done;
    absl::Status status;
  };

  void End(int64_t generation, const absl::Status& status);

  base::Mutex mutex_;
  int64_t last_ FERRY_GUARDED_BY(mutex_) = 0;
  std::set<int64_t> alive_ FERRY_GUARDED_BY(mutex_);
  std::vector<Wait> waits_ FERRY_GUARDED_BY(mutex_);
};

}  // namespace torchferry::registry
