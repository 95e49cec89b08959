// The jobs of one version that may wait until it serves (model/idle_job.h). They end with the version.
#pragma once

#include <deque>
#include <functional>
#include <vector>

#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/model/loaded_model.h"

namespace torchferry::serving {

// Thread-safe, but only one thread at a time may call RunPiece.
class IdleJobs {
 public:
  using Replace = std::function<void(model::PlacedModel better)>;

  // `replace` does the work of IdleTurn::Replace. It is not called once HasEnded has returned true.
  IdleJobs(std::vector<model::IdleJob> jobs, Replace replace);
  IdleJobs(const IdleJobs&) = delete;
  IdleJobs& operator=(const IdleJobs&) = delete;

  // Runs one piece of the oldest job that is left, on the calling thread. `is_quiet` answers IdleTurn::IsQuiet; for a
  // closed version that is always false. A job that has no more to do is destroyed at once, with all that it holds.
  // False: no job is left.
  bool RunPiece(const std::function<bool()>& is_quiet);

  // The number of jobs that have ended.
  int done() const;

  // No piece begins from now on, and waiting jobs are dropped. A running piece goes on, and its job ends with it.
  void Close();
  // Call it after Close: whether no piece runs any more. Waits for that until `until`.
  bool HasEnded(base::TimePoint until);

  // The running piece is over its time limit, or has ended after all.
  void SetStuck(bool is_stuck);
  bool is_stuck() const;

 private:
  class Turn;
  bool is_closed() const;
  // Puts `job` back at the front, unless it has no more to do or the version is closed.
  void PutBack(model::IdleJob job, bool has_more);

  const Replace replace_;
  mutable base::Mutex mutex_;
  base::CondVar piece_ended_;
  std::deque<model::IdleJob> jobs_ FERRY_GUARDED_BY(mutex_);
  bool is_running_ FERRY_GUARDED_BY(mutex_) = false;
  bool is_closed_ FERRY_GUARDED_BY(mutex_) = false;
  bool is_stuck_ FERRY_GUARDED_BY(mutex_) = false;
  int done_ FERRY_GUARDED_BY(mutex_) = 0;
};

}  // namespace torchferry::serving
