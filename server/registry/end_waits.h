// Which loads have not ended yet, and who waits for the end of some of them.
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
  // A new generation, which is alive from now on. Never the same one twice.
  int64_t Begin();
  using Done = std::function<void(const absl::Status&)>;

  // `generation` has ended. Calls those who waited for it and for no other that is alive, on this thread.
  void End(int64_t generation) { End(generation, absl::OkStatus()); }
  // It does not end, as `why` says: nobody waits for it any more.
  void GiveUp(int64_t generation, const absl::Status& why) { End(generation, why); }
  // Calls `done` once, when none of `generations` is alive: on the thread that ends the last, or now on this one; with
  // OK, or with why one of them does not end. Without a lock held.
  void Await(const std::set<int64_t>& generations, Done done);

 private:
  struct Wait {
    std::set<int64_t> generations;  // those that are alive
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
