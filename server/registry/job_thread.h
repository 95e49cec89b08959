// One thread that runs the jobs it is given, one after another.
#pragma once

#include <deque>
#include <functional>
#include <string_view>

#include "server/base/loop_thread.h"
#include "server/base/mutex.h"

namespace torchferry::registry {

// Thread-safe.
class JobThread {
 public:
  // `is_dropped`: the thread is ending, and the job must only report that it was not done.
  using Job = std::function<void(bool is_dropped)>;

  // `name`: the thread's name, at most 15 characters.
  explicit JobThread(std::string_view name) : loop_(name, [this] { return RunNext(); }) {}
  ~JobThread() { Stop(); }
  JobThread(const JobThread&) = delete;
  JobThread& operator=(const JobThread&) = delete;

  // Starts the thread. Jobs that were added before begin now. Call it once.
  void Start() { loop_.Start(); }
  void Add(Job job);
  // Waits for the running job. Drops the jobs that wait, on this thread, and later ones when they are added.
  void Stop();
  bool stopping() const;

 private:
  base::TimePoint RunNext();

  mutable base::Mutex mutex_;
  std::deque<Job> jobs_ FERRY_GUARDED_BY(mutex_);
  bool stopping_ FERRY_GUARDED_BY(mutex_) = false;
  base::LoopThread loop_;
};

}  // namespace torchferry::registry
