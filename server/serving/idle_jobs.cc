#include "server/serving/idle_jobs.h"

#include <iterator>
#include <utility>

namespace torchferry::serving {

class IdleJobs::Turn final : public model::IdleTurn {
 public:
  Turn(const IdleJobs& jobs, const std::function<bool()>& is_quiet) : jobs_(jobs), is_quiet_(is_quiet) {}

  bool IsQuiet() const override { return !jobs_.is_closed() && is_quiet_(); }
  void Replace(model::PlacedModel better) override {
    if (!jobs_.is_closed()) jobs_.replace_(std::move(better));
  }

 private:
  const IdleJobs& jobs_;
  const std::function<bool()>& is_quiet_;
};

IdleJobs::IdleJobs(std::vector<model::IdleJob> jobs, Replace replace)
    : replace_(std::move(replace)), jobs_(std::make_move_iterator(jobs.begin()), std::make_move_iterator(jobs.end())) {}

bool IdleJobs::RunPiece(const std::function<bool()>& is_quiet) {
  model::IdleJob job;
  {
    base::MutexLock lock(mutex_);
    if (jobs_.empty()) return false;
    job = std::move(jobs_.front());
    jobs_.pop_front();
    is_running_ = true;
  }
  Turn turn(*this, is_quiet);
  const bool has_more = job(turn);
  PutBack(std::move(job), has_more);
  base::MutexLock lock(mutex_);
  is_running_ = is_stuck_ = false;
  piece_ended_.NotifyAll();
  return !jobs_.empty();
}

// What the job holds ends here, without the lock, before anybody is told that the piece has ended.
void IdleJobs::PutBack(model::IdleJob job, bool has_more) {
  base::MutexLock lock(mutex_);
  if (!has_more) ++done_;
  if (has_more && !is_closed_) jobs_.push_front(std::exchange(job, nullptr));
}

int IdleJobs::done() const {
  base::MutexLock lock(mutex_);
  return done_;
}

void IdleJobs::Close() {
  std::deque<model::IdleJob> dropped;  // without the lock
  base::MutexLock lock(mutex_);
  is_closed_ = true;
  dropped.swap(jobs_);
}

bool IdleJobs::HasEnded(base::TimePoint until) {
  base::MutexLock lock(mutex_);
  while (is_running_) {
    if (until == base::kNoDeadline) {
      piece_ended_.Wait(mutex_);
    } else if (!piece_ended_.WaitUntil(mutex_, until) && is_running_) {
      return false;
    }
  }
  return true;
}

void IdleJobs::SetStuck(bool is_stuck) {
  base::MutexLock lock(mutex_);
  is_stuck_ = is_stuck;
}

bool IdleJobs::is_stuck() const {
  base::MutexLock lock(mutex_);
  return is_stuck_;
}

bool IdleJobs::is_closed() const {
  base::MutexLock lock(mutex_);
  return is_closed_;
}

}  // namespace torchferry::serving
