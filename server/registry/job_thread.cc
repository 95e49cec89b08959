#include "server/registry/job_thread.h"

#include <utility>

namespace torchferry::registry {

void JobThread::Add(Job job) {
  {
    base::MutexLock lock(mutex_);
    if (!stopping_) {
      jobs_.push_back(std::move(job));
      return loop_.Wake();
    }
  }
  job(/*is_dropped=*/true);
}

void JobThread::Stop() {
  std::deque<Job> dropped;
  {
    base::MutexLock lock(mutex_);
    stopping_ = true;
    dropped = std::exchange(jobs_, {});
  }
  loop_.Stop();
  for (const Job& job : dropped) job(/*is_dropped=*/true);
}

bool JobThread::stopping() const {
  base::MutexLock lock(mutex_);
  return stopping_;
}

base::TimePoint JobThread::RunNext() {
  Job job;
  {
    base::MutexLock lock(mutex_);
    if (jobs_.empty()) return base::kNoDeadline;
    job = std::move(jobs_.front());
    jobs_.pop_front();
  }
  job(/*is_dropped=*/false);
  return base::TimePoint::min();  // there may be another
}

}  // namespace torchferry::registry
