// The thread that runs the remaining jobs of versions (serving/idle_jobs.h) while the server is idle.
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

// The server's activity at one moment.
struct ServerActivity {
  bool is_busy = false;  // a batch runs, or a version is loading
  uint64_t batches = 0;  // begun until now
};

// Decides when a piece of idle work may begin: after the server has been quiet for a while. A client that asks again
// and again is not disturbed. Pure.
class QuietTime {
 public:
  static constexpr base::Duration kLeast = std::chrono::milliseconds(100);

  // `now` does not go back between calls. Returns when to ask again; `now` or earlier: the piece may begin.
  base::TimePoint NextPieceAt(const ServerActivity& seen, base::TimePoint now);

 private:
  std::optional<uint64_t> batches_;  // at the last call
  base::TimePoint since_{};          // the start of the quiet time
};

// Thread-safe. A process has one.
class IdleWork {
 public:
  struct Options {
    std::function<ServerActivity()> look;  // cheap and thread-safe
    base::Duration piece_limit{0};         // a longer piece counts as stuck, which is logged; zero: no limit
    base::StuckWatch* watch = nullptr;     // outlives this; null: stuck pieces are not noticed
    std::function<void()> on_all_done;     // called on the thread when no job is left; may be null
  };

  IdleWork(Options options, const base::Clock& clock);
  ~IdleWork() { Stop(); }
  IdleWork(const IdleWork&) = delete;
  IdleWork& operator=(const IdleWork&) = delete;

  // Runs `jobs`, a piece at a time, until none is left or they are closed. The next version is the one with the fewest
  // ended jobs, so that short work ends first. Among equals, the one that was added first is next.
  void Add(std::shared_ptr<serving::IdleJobs> jobs);

  // No piece begins from now on. Waits for a running piece, whose turn is not quiet any more.
  void Stop();

 private:
  base::TimePoint TakeTurn();
  // Null: no jobs are left.
  std::shared_ptr<serving::IdleJobs> Next();
  void RunPiece(const std::shared_ptr<serving::IdleJobs>& jobs, uint64_t batches);
  void Remove(const std::shared_ptr<serving::IdleJobs>& jobs);

  const Options options_;
  const base::Clock& clock_;
  const std::shared_ptr<base::Pass> pass_;  // of the idle thread
  std::atomic<bool> stopping_{false};
  // Used only by the idle thread.
  QuietTime quiet_;
  bool has_low_priority_ = false;

  base::Mutex mutex_;
  std::vector<std::shared_ptr<serving::IdleJobs>> waiting_ FERRY_GUARDED_BY(mutex_);
  base::LoopThread loop_{"idle-work", [this] { return TakeTurn(); }};
};

}  // namespace torchferry::app
