// Which requests run together, decided without threads or clocks: `now` is an argument.
//
// Workers pull. While all of them are busy the queue grows, so batches form by themselves, and an idle server starts
// the first request at once.
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

// One waiting request. Who makes one derives from it and sees to it that it is answered exactly once.
class Task {
 public:
  virtual ~Task() = default;

  int64_t rows = 1;
  int64_t bytes = 0;      // of its inputs
  uint32_t priority = 0;  // a lower number goes first; all the same where the queue has one level
  std::string batch_key;  // tasks with equal keys may share a batch
  // Tasks with one ordering key run one at a time, in the order in which they came, and share no batch. 0: none.
  uint64_t ordering_key = 0;
  base::TimePoint enqueued{};
  base::TimePoint deadline = base::kNoDeadline;

  // The caller went away: the task need not run. Cheap; called under the queue's lock.
  virtual bool IsCancelled() const = 0;
};

// How a small batch is run while threads are free for it.
struct LatencyPoint {
  int64_t max_rows = 0;                // of such a batch; 0: there is no such point
  int threads = 1;                     // of an operator
  base::Duration expected{0};          // that one row takes so
  base::Duration expected_without{0};  // that one row takes with BatchOptions::threads
};

struct BatchOptions {
  // Most rows in a batch; 0: tasks are never put together.
  int64_t max_rows = 0;
  // How long the oldest task may wait for company. 0: not at all.
  base::Duration max_queue_delay{0};
  // Row counts at which a batch closes without waiting any longer. Past the largest of them it does not grow: it closes
  // when it has so many rows or more, or when the next task of its key would take it above.
  std::vector<int64_t> preferred_rows;
  // Row counts that batches have, as far as the tasks allow: of what waits, the oldest are taken that give one of
  // these; where none of their sums is one, all. Empty: any.
  std::vector<int64_t> row_counts;
  // Of an operator, while a batch runs.
  int threads = 1;
  LatencyPoint latency;
  // That a batch of one row takes, as was measured at load. 0: nothing is known until one has run.
  base::Duration expected_batch{0};
  // Tasks that may wait, their rows and their bytes; 0 of these two: any number.
  int64_t max_queue_size = 1024;
  int64_t max_queue_rows = 0;
  int64_t max_queue_bytes = 0;
  // Of Task::priority; 0 and 1: tasks come in their order alone.
  uint32_t priority_levels = 0;
};

// Tasks wait in the order of their priorities, and of one priority in that of their coming. While those of a higher
// priority keep coming, each kTurnOfOldest-th batch begins with the oldest task: none waits for ever.
//
// Not thread-safe.
class BatchQueue {
 public:
  static constexpr int kTurnOfOldest = 8;

  struct Taken {
    // Runs now; empty when nothing is due. In their order, equal keys, at most max_rows rows and no more than the
    // largest preferred number (a single larger task runs alone). Of the keys that are due, the one that has waited
    // longest: a batch that waits for company holds up none of another key.
    std::vector<std::unique_ptr<Task>> batch;
    // Ended while they waited, to be answered with DEADLINE_EXCEEDED and CANCELLED.
    std::vector<std::unique_ptr<Task>> expired;
    std::vector<std::unique_ptr<Task>> cancelled;
    // When to ask again although nothing new has come; nothing if only a Push or a ReleaseKey changes
    // the answer.
    std::optional<base::TimePoint> wake_at;
  };

  explicit BatchQueue(BatchOptions options) : options_(std::move(options)), max_rows_(MaxRows(options_)) {}

  // What waits stays, whatever the new limits.
  void SetOptions(BatchOptions options) {
    options_ = std::move(options);
    max_rows_ = MaxRows(options_);
  }

  // Takes `task` and sets its `enqueued`. UNAVAILABLE when the queue is full; `task` then stays with the caller. Where
  // that helps, tasks of lower priorities are put out instead, the lowest and youngest first: they are added to `shed`,
  // to be answered with ShedStatus. Null: none are.
  absl::Status Push(std::unique_ptr<Task>& task, base::TimePoint now,
                    std::vector<std::unique_ptr<Task>>* shed = nullptr);

  // Takes back tasks that were taken and have not run: they come before all others, in their order, whatever the limit.
  // Each waits since its own `enqueued`.
  void Return(std::vector<std::unique_ptr<Task>> tasks);

  // Likewise, but they are not taken again before Unpark. They wait as the others do: they count, expire and may be
  // cancelled.
  void Park(std::vector<std::unique_ptr<Task>> tasks);
  void Unpark();

  // A task with an ordering key is a batch of its own. Its key is busy until ReleaseKey.
  Taken Take(base::TimePoint now);

  // What has ended while it waited, alone: nothing may run now. `wake_at`: when to look again for what ends later.
  Taken TakeEnded(base::TimePoint now);

  // Whether Take would give a batch.
  bool HasDue(base::TimePoint now) const;

  // The task that was taken with `ordering_key` has ended: the next one may run. 0 changes nothing.
  void ReleaseKey(uint64_t ordering_key) { busy_keys_.erase(ordering_key); }

  // Everything that waits, for whoever gives up on the queue.
  std::vector<std::unique_ptr<Task>> TakeAll();

  // What waits, parked or not.
  size_t size() const { return tasks_.size() + parked_.size(); }
  const QueueLoad& load() const { return load_; }

  // Calls `visit` with each task that begins before `task` would, if that came now, and shares its key, in their order.
  template <typename Visit>
  void EachBefore(const Task& task, Visit visit) const {
    for (const auto& other : tasks_) {
      if (other->priority > task.priority) return;
      if (other->ordering_key == 0 && other->batch_key == task.batch_key) visit(*other);
    }
  }

 private:
  // Indices of the tasks of one key that may run together, oldest first, and their rows.
  struct Candidate {
    std::vector<size_t> members;  // none: every task waits for its ordering key
    int64_t rows = 0;
    bool is_full = false;  // another task of this key waits that does not fit, or no row is left
    // Of `members`, the first that have a preferred number of rows, as many as there are; 0: none have.
    size_t preferred = 0;
  };
  // Begins with the oldest task whose ordering key is free.
  Candidate OldestBatch() const;
  // The oldest batch that is due; nothing if none is. `oldest` is what OldestBatch gave.
  std::optional<Candidate> DueBatch(Candidate oldest, base::TimePoint now) const;
  Candidate BatchFrom(size_t index) const;
  // Puts the task in, unless the batch is full with it.
  void Extend(Candidate& candidate, size_t index) const;
  size_t OldestFree() const;
  bool HasLevels() const { return options_.priority_levels > 1; }
  QueueLimits Limits() const { return {options_.max_queue_size, options_.max_queue_rows, options_.max_queue_bytes}; }
  void Insert(std::unique_ptr<Task> task);
  // Room for `task`, by putting out what is of lower priorities. False: there is not enough of that, and all stays.
  bool Shed(const Task& task, std::vector<std::unique_ptr<Task>>& shed);
  // The first task whose ordering key is free; the number of tasks when there is none.
  size_t FirstCome() const;
  // The batch of the task that came first, where its turn has come.
  std::optional<Candidate> TurnOfOldest(base::TimePoint now) const;
  void NoteTurn(const std::vector<std::unique_ptr<Task>>& batch);
  // When the first delay of a batch is over.
  base::TimePoint FirstDue(const Candidate& oldest) const;
  // What of a batch that is due is taken.
  void Close(Candidate& candidate, base::TimePoint now) const;
  bool IsPreferred(int64_t rows) const;
  bool HasWaited(const Candidate& candidate, base::TimePoint now) const;
  bool IsDue(const Candidate& candidate, base::TimePoint now) const;
  void DropEnded(std::deque<std::unique_ptr<Task>>& tasks, base::TimePoint now, Taken& taken);
  Taken TakeRunnable(base::TimePoint now);

  static int64_t MaxRows(const BatchOptions& options);

  BatchOptions options_;
  int64_t max_rows_;  // of a batch of several tasks
  std::deque<std::unique_ptr<Task>> tasks_;
  std::deque<std::unique_ptr<Task>> parked_;
  std::set<uint64_t> busy_keys_;
  QueueLoad load_;       // of both
  int passed_over_ = 0;  // batches in a row that left an older task waiting
};

// What a task is told that was put out for one of a higher priority.
absl::Status ShedStatus(uint32_t priority);

}  // namespace torchferry::batching
