// The thread that does what versions have left to do (serving/idle_jobs.h) while the server is idle.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "server/base/clock.h"
#include "server/base/loop_thread.h"
#include "server/base/mutex.h"
#include "server/base/pass.h"
#include "server/base/stuck_watch.h"
#include "server/serving/idle_jobs.h"

namespace torchferry::app {

// What the server does at one moment.
struct ServerActivity {
  bool is_busy = false;  // a batch runs, or a version is being loaded
  uint64_t batches = 0;  // begun until now
};

// When a piece of idle work may begin: when the server has been quiet for a while. Clients that ask again and again
// are left alone. Pure.
class QuietTime {
 public:
  static constexpr base::Duration kLeast = std::chrono::milliseconds(100);

  // `now` does not go back from call to call. Gives when to ask again; `now` or earlier: the piece may begin.
  base::TimePoint NextPieceAt(const ServerActivity& seen, base::TimePoint now);

 private:
  std::optional<uint64_t> batches_;  // at the last call
  base::TimePoint since_{};          // nothing has happened
};

// Thread-safe. One for a process.
class IdleWork {
 public:
  struct Options {
    std::function<ServerActivity()> look;  // cheap and thread-safe
    base::Duration piece_limit{0};         // beyond it a piece does not end, which is logged; zero: none
    base::StuckWatch* watch = nullptr;     // outlives this; null: nobody sees what does not end
    std::function<void()> on_all_done;     // no job is left; on the thread. Null: nobody cares
  };

  IdleWork(Options options, const base::Clock& clock);
  ~IdleWork() { Stop(); }
  IdleWork(const IdleWork&) = delete;
  IdleWork& operator=(const IdleWork&) = delete;

  // Runs `jobs`, a piece at a time, until none is left or they are closed. Of several versions, the one with the fewest
  // jobs done is next, so that what is short comes first; among these the one that came first.
  void Add(std::shared_ptr<serving::IdleJobs> jobs);

  // No piece begins from now on. Waits for one that runs, whose turn is not quiet any more.
  void Stop();

 private:
  base::TimePoint TakeTurn();
  // Null: none is left.
  std::shared_ptr<serving::IdleJobs> Next();
  void RunPiece(const std::shared_ptr<serving::IdleJobs>& jobs, uint64_t batches);
  void Remove(const std::shared_ptr<serving::IdleJobs>& jobs);

  const Options options_;
  const base::Clock& clock_;
  const std::shared_ptr<base::Pass> pass_;  // of the thread
  std::atomic<bool> stopping_{false};
  // Of the thread alone.
  QuietTime quiet_;
  bool has_low_priority_ = false;

  base::Mutex mutex_;
  std::vector<std::shared_ptr<serving::IdleJobs>> waiting_ FERRY_GUARDED_BY(mutex_);
  base::LoopThread loop_{"idle-work", [this] { return TakeTurn(); }};
};

}  // namespace torchferry::app
