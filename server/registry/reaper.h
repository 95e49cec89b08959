// Ends servables on a thread of its own. Ending one waits for its running batches, and the last handle may be dropped
// on any thread, even on a worker.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "server/base/loop_thread.h"
#include "server/base/mutex.h"
#include "server/serving/servable.h"

namespace torchferry::registry {

// Thread-safe.
class Reaper {
 public:
  Reaper() { loop_.Start(); }
  // Waits until every handle has been dropped and every servable has ended, then ends the thread.
  ~Reaper();
  Reaper(const Reaper&) = delete;
  Reaper& operator=(const Reaper&) = delete;

  // Called on the thread. Each may be null.
  struct Ends {
    std::function<void()> on_stuck;  // some work of the servable does not end; before on_end, which may follow
    std::function<void()> on_end;    // the servable has ended
  };

  // Returns a handle whose last copy hands the servable to the thread. The thread sets a servable that does not end
  // aside, and goes on with the others.
  std::shared_ptr<serving::Servable> Adopt(std::unique_ptr<serving::Servable> servable, Ends ends = {});

 private:
  struct Doomed {
    std::unique_ptr<serving::Servable> servable;
    Ends ends;
    bool is_closed = false;
    bool is_stuck = false;
  };

  static bool End(Doomed& doomed);
  base::TimePoint EndDoomed();

  base::Mutex mutex_;
  base::CondVar none_alive_;
  std::vector<Doomed> doomed_ FERRY_GUARDED_BY(mutex_);
  std::vector<Doomed> ending_;                 // used only by the thread
  size_t alive_ FERRY_GUARDED_BY(mutex_) = 0;  // adopted and not ended yet
  base::LoopThread loop_{"reaper", [this] { return EndDoomed(); }};
};

}  // namespace torchferry::registry
