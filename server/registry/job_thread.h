// One thread that does what it is given, one after another.
#pragma once

#include <deque>
#include <functional>
#include <thread>

#include "server/base/mutex.h"

namespace torchferry::registry {

// Thread-safe.
class JobThread {
 public:
  // `is_dropped`: the thread is ending, and the job only has to say that it is not done.
  using Job = std::function<void(bool is_dropped)>;

  JobThread() = default;
  ~JobThread() { Stop(); }
  JobThread(const JobThread&) = delete;
  JobThread& operator=(const JobThread&) = delete;

  // Jobs that were added before begin now. Once.
  void Start();
  void Add(Job job);
  // After the job under way; those that wait are dropped, and those that come later at once.
  void Stop();
  bool stopping() const;

 private:
  void Loop();

  mutable base::Mutex mutex_;
  base::CondVar changed_;
  std::deque<Job> jobs_ FERRY_GUARDED_BY(mutex_);
  bool stopping_ FERRY_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace torchferry::registry
