#include "server/registry/job_thread.h"

#include <utility>

#include "server/base/thread_name.h"

namespace torchferry::registry {

void JobThread::Start() {
  thread_ = std::thread([this] { Loop(); });
}

void JobThread::Add(Job job) {
  {
    base::MutexLock lock(mutex_);
    if (!stopping_) {
      jobs_.push_back(std::move(job));
      changed_.NotifyAll();
      return;
    }
  }
  job(/*is_dropped=*/true);
}

void JobThread::Stop() {
  {
    base::MutexLock lock(mutex_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
  std::deque<Job> dropped;
  {
    base::MutexLock lock(mutex_);
    dropped = std::exchange(jobs_, {});
  }
  for (const Job& job : dropped) job(/*is_dropped=*/true);
}

bool JobThread::stopping() const {
  base::MutexLock lock(mutex_);
  return stopping_;
}

void JobThread::Loop() {
  base::NameThisThread("loader");
  while (true) {
    Job job;
    {
      base::MutexLock lock(mutex_);
      while (jobs_.empty() && !stopping_) changed_.Wait(mutex_);
      if (stopping_) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job(/*is_dropped=*/false);
  }
}

}  // namespace torchferry::registry
