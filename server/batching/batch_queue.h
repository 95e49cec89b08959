// Decides which requests run together, without threads or clocks: `now` is an argument.
//
// Workers pull batches. While all workers are busy the queue grows, so batches form by themselves. An idle server
// starts the first request at once.
#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "server/base/clock.h"
#include "server/batching/queue_room.h"

namespace torchferry::batching {

// One waiting request. Its creator derives from Task and must answer it exactly once.
class Task {
 public:
  virtual ~Task() = default;

  int64_t rows = 1;
  int64_t bytes = 0;      // bytes of its inputs
  uint32_t priority = 0;  // a lower number goes first; equal for all tasks where the queue has one level
  std::string batch_key;  // tasks with equal keys may share a batch
  // Tasks with the same ordering key run one at a time, in the order of arrival, and share no batch. 0: no ordering
  // key.
  uint64_t ordering_key = 0;
  base::TimePoint enqueued{};
  base::TimePoint deadline = base::kNoDeadline;

  // Whether the caller has gone away, so that the task need not run. Must be cheap: called under the scheduler's lock.
  virtual bool IsCancelled() const = 0;
};

// How a small batch runs while enough threads are free.
struct LatencyPoint {
  int64_t max_rows = 0;                // max rows of such a batch; 0: there is no latency point
  int threads = 1;                     // threads of one operator
  base::Duration expected{0};          // time of one row with `threads`
  base::Duration expected_without{0};  // time of one row with BatchOptions::threads
};

struct BatchOptions {
  // Max rows of a batch; 0: each task runs alone.
  int64_t max_rows = 0;
  // How long the oldest task may wait for others to share its batch. 0: it does not wait.
  base::Duration max_queue_delay{0};
  // Row counts at which a batch closes without waiting any longer. The largest of them also limits a batch. A batch
  // closes at that limit, or when the next task of its key would exceed it. A larger task runs alone.
  std::vector<int64_t> preferred_rows;
  // Row counts that batches should have. A batch takes as many of its oldest tasks as it can, with rows that sum to one
  // of these counts. Where no sum matches, it takes all of them. Empty: any count.
  std::vector<int64_t> row_counts;
  // Threads of one operator while a batch runs.
  int threads = 1;
  LatencyPoint latency;
  // Time of a batch of one row, as measured at load. 0: it is unknown until a batch has run.
  base::Duration expected_batch{0};
  // Max waiting tasks, their rows and their input bytes. 0 rows or 0 bytes: no limit.
  int64_t max_queue_size = 1024;
  int64_t max_queue_rows = 0;
  int64_t max_queue_bytes = 0;
  // Number of levels of Task::priority. 0 or 1: tasks run in the order of arrival.
  uint32_t priority_levels = 0;
};

// Tasks wait in the order of their priorities, and within a priority in the order of arrival. While tasks of a higher
// priority keep arriving, every kTurnOfOldest-th batch begins with the oldest task: no task waits for ever.
//
// Not thread-safe.
class BatchQueue {
 public:
  static constexpr int kTurnOfOldest = 8;

  struct Taken {
    // The tasks that run now, in queue order, with equal keys; empty when nothing is due. Several tasks have max
    // `max_rows` rows together, and never more than the largest preferred count. A single larger task runs alone. Where
    // several keys are due, the key whose task is first in the queue is taken. A batch that waits for more tasks holds
    // up no batch of another key.
    std::vector<std::unique_ptr<Task>> batch;
    // Tasks that ended while they waited, to be answered with DEADLINE_EXCEEDED and CANCELLED.
    std::vector<std::unique_ptr<Task>> expired;
    std::vector<std::unique_ptr<Task>> cancelled;
    // When to ask again even if no new task arrives. Empty: only new tasks or ReleaseKey change the answer.
    std::optional<base::TimePoint> wake_at;
  };

  explicit BatchQueue(BatchOptions options) : options_(std::move(options)), max_rows_(MaxRows(options_)) {}

  // Waiting tasks stay, even above the new limits.
  void SetOptions(BatchOptions options) {
    options_ = std::move(options);
    max_rows_ = MaxRows(options_);
  }

  // Takes `task` and sets its `enqueued`. UNAVAILABLE when the queue is full; `task` then stays with the caller. Where
  // that makes enough room, tasks of lower priorities are shed instead, the lowest and youngest first. They are added
  // to `shed`, to be answered with ShedStatus. Null `shed`: no task is shed.
  absl::Status Push(std::unique_ptr<Task>& task, base::TimePoint now,
                    std::vector<std::unique_ptr<Task>>* shed = nullptr);

  // Takes back tasks that were taken and have not run. They come before all others, in their order, even above the
  // limits. Each keeps its `enqueued`.
  void Return(std::vector<std::unique_ptr<Task>> tasks);

  // As Return, but the tasks are not taken again before Unpark. Parked tasks count, expire and may be cancelled like
  // others.
  void Park(std::vector<std::unique_ptr<Task>> tasks);
  void Unpark();

  // A task with an ordering key is a batch of its own. Its key is busy until ReleaseKey.
  Taken Take(base::TimePoint now);

  // Takes only the tasks that ended while they waited: `batch` is empty. `wake_at`: when to look again for such tasks.
  Taken TakeEnded(base::TimePoint now);

  // Whether Take would give a batch.
  bool HasDue(base::TimePoint now) const;

  // The task that was taken with `ordering_key` has ended: the next one may run. 0 changes nothing.
  void ReleaseKey(uint64_t ordering_key) { busy_keys_.erase(ordering_key); }

  // Takes all waiting tasks, parked ones included, when the queue is given up.
  std::vector<std::unique_ptr<Task>> TakeAll();

  // Number of waiting tasks, parked ones included.
  size_t size() const { return tasks_.size() + parked_.size(); }
  const QueueLoad& load() const { return load_; }

  // Calls `visit`, in queue order, with each task of the same key that would begin before `task` if `task` arrived now.
  // Tasks with an ordering key are left out.
  template <typename Visit>
  void EachBefore(const Task& task, Visit visit) const {
    for (const auto& other : tasks_) {
      if (other->priority > task.priority) return;
      if (other->ordering_key == 0 && other->batch_key == task.batch_key) visit(*other);
    }
  }

 private:
  // The tasks of one key that may run together, as indices, oldest first, and their rows.
  struct Candidate {
    std::vector<size_t> members;  // empty: every task waits for its ordering key
    int64_t rows = 0;
    bool is_full = false;  // another waiting task of this key does not fit, or no row is left
    // The largest number of first `members` whose rows sum to a preferred count; 0: there is no such number.
    size_t preferred = 0;
  };
  // Begins with the first task in the queue whose ordering key is free.
  Candidate OldestBatch() const;
  // The first batch that is due; empty if no batch is due. `oldest` is the result of OldestBatch.
  std::optional<Candidate> DueBatch(Candidate oldest, base::TimePoint now) const;
  Candidate BatchFrom(size_t index) const;
  // Adds the task where it fits, and updates `is_full`.
  void Extend(Candidate& candidate, size_t index) const;
  size_t OldestFree() const;
  bool HasLevels() const { return options_.priority_levels > 1; }
  QueueLimits Limits() const { return {options_.max_queue_size, options_.max_queue_rows, options_.max_queue_bytes}; }
  void Insert(std::unique_ptr<Task> task);
  // Makes room for `task` by shedding tasks of lower priorities. False: that would not be enough, and all tasks stay.
  bool Shed(const Task& task, std::vector<std::unique_ptr<Task>>& shed);
  // Index of the task that arrived first among those whose ordering key is free. The number of tasks: all keys are
  // busy.
  size_t FirstCome() const;
  // The batch of the task that arrived first, when its turn has come and the batch is due.
  std::optional<Candidate> TurnOfOldest(base::TimePoint now) const;
  void NoteTurn(const std::vector<std::unique_ptr<Task>>& batch);
  // When the task that begins the next batch has waited max_queue_delay.
  base::TimePoint FirstDue(const Candidate& oldest) const;
  // Cuts a batch that is due down to the tasks that run now.
  void Close(Candidate& candidate, base::TimePoint now) const;
  bool IsPreferred(int64_t rows) const;
  bool HasWaited(const Candidate& candidate, base::TimePoint now) const;
  bool IsDue(const Candidate& candidate, base::TimePoint now) const;
  void DropEnded(std::deque<std::unique_ptr<Task>>& tasks, base::TimePoint now, Taken& taken);
  Taken TakeRunnable(base::TimePoint now);

  static int64_t MaxRows(const BatchOptions& options);

  BatchOptions options_;
  int64_t max_rows_;  // max rows of a batch of several tasks
  std::deque<std::unique_ptr<Task>> tasks_;
  std::deque<std::unique_ptr<Task>> parked_;
  std::set<uint64_t> busy_keys_;
  QueueLoad load_;       // of tasks_ and parked_
  int passed_over_ = 0;  // batches in a row that left an older task waiting
};

// The answer of a task that was shed for one of a higher priority.
absl::Status ShedStatus(uint32_t priority);

}  // namespace torchferry::batching
