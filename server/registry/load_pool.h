// The threads that load versions, and what becomes of a load that does not end.
#pragma once

#include <absl/status/status.h>

#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/base/pass.h"
#include "server/base/stuck_watch.h"

namespace torchferry::registry {

// Jobs begin in the order in which they came, as many at a time as there are threads. Thread-safe.
//
// A job beyond its limit is given up: it is told, and runs on. Another thread takes the place of its own, as often as
// `max_stuck` says. When it has ended after all, what it made is dropped, and its thread ends.
class LoadPool {
 public:
  struct Options {
    int threads = 1;
    int max_stuck = 0;                  // threads that are replaced
    base::StuckWatch* watch = nullptr;  // outlives the pool; null: nobody sees what does not end
    // Called on a thread of the pool when the last job has ended, given-up ones aside. Null: nobody cares.
    std::function<void()> on_idle = nullptr;
  };

  // One of `run` and `refuse` is called, once.
  struct Job {
    base::Duration limit{0};  // zero: as long as it takes
    // On a thread of the pool: what cannot be interrupted. What it gives is called there next, if that was in time, and
    // otherwise destroyed.
    std::function<std::function<void()>()> run;
    // On the watch's thread, in place of that.
    std::function<void(base::Duration so_far)> give_up;
    // It is not run, as `why` says: the pool is stopped, or has no thread left. On any thread.
    std::function<void(const absl::Status& why, bool is_stopping)> refuse;
  };

  LoadPool(Options options, const base::Clock& clock);
  ~LoadPool() { Stop(); }
  LoadPool(const LoadPool&) = delete;
  LoadPool& operator=(const LoadPool&) = delete;

  void Add(Job job);
  // Refuses what waits and what comes, and waits for what runs, given up or not.
  void Stop();

  // Threads whose jobs were given up and have not ended.
  int stuck() const;
  // Whether no job waits or runs but those that were given up.
  bool is_idle() const;

 private:
  class JobOverrun;
  struct Thread {
    std::thread thread;
    int number = 0;  // the kernel's
    bool has_ended = false;
  };

  void AddThread() FERRY_REQUIRES(mutex_);
  void Run(Thread& self);
  // False when the thread is to end.
  bool RunNext(Thread& self, base::Pass& pass);
  // A job has ended that was not given up.
  void TellEnd();
  bool IsIdle() const FERRY_REQUIRES(mutex_) { return jobs_.empty() && running_ == stuck_; }
  int Usable() const FERRY_REQUIRES(mutex_) { return alive_ - stuck_; }
  void JoinEnded();

  const Options options_;
  const base::Clock& clock_;
  mutable base::Mutex mutex_;
  base::CondVar changed_;
  std::deque<Job> jobs_ FERRY_GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<Thread>> threads_ FERRY_GUARDED_BY(mutex_);
  int alive_ FERRY_GUARDED_BY(mutex_) = 0;
  int stuck_ FERRY_GUARDED_BY(mutex_) = 0;
  int running_ FERRY_GUARDED_BY(mutex_) = 0;  // jobs, given up or not
  int telling_ FERRY_GUARDED_BY(mutex_) = 0;  // jobs that are being told that they were given up
  bool stopping_ FERRY_GUARDED_BY(mutex_) = false;
};

}  // namespace torchferry::registry
