// The threads that load versions, and the handling of loads that do not end.
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

// Jobs begin in the order in which they were added, one on each thread at a time. Thread-safe.
//
// A job over its time limit is given up: its give_up is called, and it runs on. Another thread replaces its thread, for
// at most `max_stuck` threads. When the job ends after all, its result is dropped, and its thread ends.
class LoadPool {
 public:
  struct Options {
    int threads = 1;
    int max_stuck = 0;                  // max threads that are replaced
    base::StuckWatch* watch = nullptr;  // outlives the pool; null: loads that do not end are not noticed
    // Called on a thread of the pool when the last job has ended, apart from given-up ones. May be null.
    std::function<void()> on_idle = nullptr;
  };

  // Either `run` or `refuse` is called, once.
  struct Job {
    base::Duration limit{0};  // zero: no limit
    // Called on a thread of the pool; cannot be interrupted. The function that it returns is called there next if the
    // job was in time, and is destroyed otherwise.
    std::function<std::function<void()>()> run;
    // Called on the watch's thread, in place of that function.
    std::function<void(base::Duration so_far)> give_up;
    // Called on any thread. The job is not run, as `why` says: the pool is stopped, or has no thread left.
    std::function<void(const absl::Status& why, bool is_stopping)> refuse;
  };

  LoadPool(Options options, const base::Clock& clock);
  ~LoadPool() { Stop(); }
  LoadPool(const LoadPool&) = delete;
  LoadPool& operator=(const LoadPool&) = delete;

  void Add(Job job);
  // Refuses waiting and later jobs, and waits for running ones, given up or not.
  void Stop();

  // The number of threads whose jobs were given up and have not ended.
  int stuck() const;
  // Whether no job waits or runs, apart from given-up ones.
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
  int telling_ FERRY_GUARDED_BY(mutex_) = 0;  // jobs whose give_up is being called
  bool stopping_ FERRY_GUARDED_BY(mutex_) = false;
};

}  // namespace torchferry::registry
