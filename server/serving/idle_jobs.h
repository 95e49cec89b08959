// The work of one version that may wait until it serves (model/idle_job.h), and its end with the version.
#pragma once

#include <deque>
#include <functional>
#include <vector>

#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/model/loaded_model.h"

namespace torchferry::serving {

// Thread-safe; one thread at a time calls RunPiece.
class IdleJobs {
 public:
  using Replace = std::function<void(model::PlacedModel better)>;

  // `replace` carries out IdleTurn::Replace. It is not called once HasEnded has returned true.
  IdleJobs(std::vector<model::IdleJob> jobs, Replace replace);
  IdleJobs(const IdleJobs&) = delete;
  IdleJobs& operator=(const IdleJobs&) = delete;

  // Runs one piece of the oldest job that is left, on the calling thread. `is_quiet` is what the server says to
  // IdleTurn::IsQuiet; a closed version's turn is never quiet. A job ends, and with it what it holds, as soon as it has
  // no more to do. False: no job is left.
  bool RunPiece(const std::function<bool()>& is_quiet);

  // Jobs that have ended.
  int done() const;

  // No piece begins from now on, and what waits ends. A running piece goes on, and its job ends with it.
  void Close();
  // After that: whether no piece runs any more. Waits for that until `until`.
  bool HasEnded(base::TimePoint until);

  // The running piece is beyond its time, or has ended after all.
  void SetStuck(bool is_stuck);
  bool is_stuck() const;

 private:
  class Turn;
  bool is_closed() const;
  // Back to where it was taken from, unless there is no more of it or the version is closed.
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
