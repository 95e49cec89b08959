// Decides which queue's batch a thread runs next, with how many threads, and which thread is woken. It has no threads
// and no clock: `now` is an argument. Scheduler carries the decisions out.
//
//   A task comes ──► WhoWakes ──► Nobody: an awake thread takes it soon, or no thread is free.
//                                 A worker, or the express worker: it is woken, and asks.
//   A thread asks ─► Take ──────► A batch: it runs. WhoElseWakes wakes the next thread if more waits.
//                                 Nothing: the thread sleeps until a time, or until it is woken.
//   A batch ends ──► End ───────► Its thread asks again.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "server/base/clock.h"
#include "server/batching/batch_queue.h"
#include "server/batching/headroom.h"
#include "server/batching/lone_batch.h"
#include "server/batching/queue_pace.h"
#include "server/batching/wake_policy.h"

namespace torchferry::batching {

enum class RunnerKind {
  kWorker,   // runs batches of all queues, with operator threads that all workers share
  kExpress,  // runs short batches, beside the workers, while no worker can take them
  kCaller,   // a thread that submits tasks
};

// The owner of a queue. It is told the queue's depth, and says how the queue's batches may run.
class QueueOwner {
 public:
  virtual ~QueueOwner() = default;
  // Gets the number of waiting requests after each change. Must be cheap: it is called under the scheduler's lock,
  // which it must not take.
  virtual void OnDepth(int64_t waiting) = 0;
  // Max batches at the same time; 0: only the workers limit it. Must be cheap, as MayRunOnCaller.
  virtual int MaxAtOnce() const { return 0; }
  // Whether a thread that submits may also run a batch, while batches are quick: the model is on the CPU. Must be
  // cheap: it may be called under the scheduler's lock.
  virtual bool MayRunOnCaller() const { return false; }
};

// A queue, its measured pace, and its running batches.
struct DispatchQueue {
  DispatchQueue(BatchOptions batch_options, QueueOwner& queue_owner)
      : options(std::move(batch_options)), tasks(options), owner(queue_owner) {}

  void SetOptions(BatchOptions changed) {
    options = std::move(changed);
    tasks.SetOptions(options);
  }
  QueueView View() const;

  BatchOptions options;
  BatchQueue tasks;
  QueueOwner& owner;
  QueuePace pace;
  ThreadTrial latency_trial;  // trial of the threads at the latency point
  ThreadTrial team_trial;     // trial of several threads under load
  RowPace row_pace;           // pace with several threads under load

  int running = 0;                                // runners that run a batch of it or drop its ended tasks
  std::vector<base::TimePoint> started;           // when each of these began
  std::optional<base::TimePoint> left_to_caller;  // since when a task waits for a caller to run it
  bool was_long = false;                          // see QueueView
  int stuck = 0;                                  // runners whose pass was given up; no batch of it begins meanwhile
  int held_up = 0;                                // runners in one batch for long

 private:
  friend class Dispatcher;
  base::Duration used_{0};  // thread time that it used; raised to floor_ after it had nothing to run
  uint64_t turn_ = 0;       // number of its last batch
  size_t counted_ = 0;      // its tasks that Dispatcher::waiting_ includes
  bool is_listed_ = false;  // it has tasks, and is in Dispatcher::ready_
};

// Queues take turns of equal thread time. Among the queues that have something to run, the one that has used the least
// thread time is next. A queue of short batches hence waits for few long ones, and a busy queue starves no other. Long
// batches leave threads free where short ones gain more by it (Headroom). Not thread-safe.
class Dispatcher {
 public:
  // Work that a thread carries out.
  struct Work {
    DispatchQueue* queue = nullptr;  // null: no work
    BatchQueue::Taken taken;
    RunnerKind kind = RunnerKind::kWorker;
    int64_t rows = 0;
    int threads = 1;  // threads of one operator; 0: the work only drops ended tasks
    bool is_at_latency_point = false;
    bool is_long = false;           // a worker's batch that is not expected to be short
    bool takes_processors = false;  // as is_long, and it computes on the CPU
    base::TimePoint started{};
    base::Duration charged{0};  // thread time charged to the queue until the real time is known
  };

  // A thread's request for work.
  struct Ask {
    RunnerKind kind = RunnerKind::kWorker;
    // Skips queues whose waiting tasks another thread takes soon (IsServedSoon).
    bool leaves_served = false;
    // Skips queues with a batch that is held up: the thread is there for the other queues.
    bool avoids_held_up = false;
  };

  // `threads`: operator threads, in all batches of workers at the same time. `long_time`: processor time of the threads
  // of batches with takes_processors, so far. Null: these leave no threads free.
  explicit Dispatcher(int threads, std::function<base::Duration()> long_time = nullptr)
      : threads_(threads), free_threads_(threads), headroom_(threads, std::move(long_time)) {}

  void Add(DispatchQueue& queue);
  // Must be called before `queue` is destroyed, when it has no tasks and no running batch.
  void Remove(DispatchQueue& queue);

  // Must be called after each change of the tasks of `queue`. Tells its owner how many wait.
  void OnChange(DispatchQueue& queue);

  // The kind of thread to wake after tasks arrived in `queue`; empty: wake no thread.
  std::optional<RunnerKind> WhoWakes(const DispatchQueue& queue, base::TimePoint now) const;
  // As WhoWakes, for all queues, after a thread has taken work or has ended.
  std::optional<RunnerKind> WhoElseWakes(base::TimePoint now) const;

  // Takes the next batch, or tasks that ended while they waited. Without work, `wake_at` is lowered to the time to ask
  // again, if nothing wakes the thread before.
  Work Take(const Ask& ask, base::TimePoint now, base::TimePoint& wake_at);
  // Takes work of `queue` for the thread that submits. No work: nothing is due, or that thread should not run the
  // queue's batches any more.
  Work TakeAsCaller(DispatchQueue& queue, base::TimePoint now);
  // The work has ended. `took`: see QueuePace::RecordBatch. `ordering_key` is that of the batch.
  void End(const Work& work, uint64_t ordering_key, base::TimePoint now, const BatchTime& took);

  // Gives back operator threads of a batch that has ended, is stuck, or is held up.
  void GiveThreads(int threads) { free_threads_ += threads; }

  // Counts of sleeping threads, kept by the code that lets them sleep. `waking` of the `idle` ones were woken and have
  // not asked yet.
  struct Sleepers {
    int idle = 0;
    int waking = 0;
    bool is_watched = false;  // one of them asks again within kWatch, even if not woken
  };
  Sleepers& workers() { return workers_; }
  Sleepers& express() { return express_; }

  // Whether the workers' free threads are enough for the next batch of `queue`.
  bool HasThreads(const DispatchQueue& queue, base::TimePoint now) const { return AreFree(ThreadsOf(queue, now)); }
  size_t waiting() const { return waiting_; }  // tasks in all queues
  uint64_t begun() const { return begun_; }    // batches begun, in all; dropping of ended tasks included
  int free_threads() const { return free_threads_; }
  // Visits the queues that have tasks, the next one first.
  template <typename Visit>
  void EachWaiting(Visit visit) const {
    for (DispatchQueue* queue : ready_) visit(*queue);
  }

 private:
  struct ByTurn {
    bool operator()(const DispatchQueue* a, const DispatchQueue* b) const;
  };

  // Threads that the next batch of a queue gets under load, and those that it must leave free.
  struct Threads {
    int needed = 1;
    int left = 0;
  };
  Threads ThreadsOf(const DispatchQueue& queue, base::TimePoint now) const;
  // Whether enough are free. Threads of short batches count as left free.
  bool AreFree(const Threads& threads) const {
    return threads.needed <= free_threads_ && threads.needed + threads.left <= free_threads_ + short_threads_;
  }
  // Whether a batch of a queue may run now, and has enough of the workers' threads.
  enum class Room { kRuns, kNoThreads, kNotNow };
  Room RoomFor(const DispatchQueue& queue, const Ask& ask, base::TimePoint now) const;
  Work Begin(DispatchQueue& queue, BatchQueue::Taken taken, RunnerKind kind, base::TimePoint now);
  void SetThreads(Work& work, base::TimePoint now);
  // Counts a batch that begins, or with -1 one that has ended.
  void Count(const Work& work, int change, base::TimePoint now);
  static void NoteTeam(const Work& work, base::Duration took);
  void Charge(DispatchQueue& queue, base::Duration duration);

  std::set<DispatchQueue*, ByTurn> ready_;  // queues that have tasks
  const int threads_;
  int free_threads_;
  int running_ = 0;        // running batches of workers
  int long_threads_ = 0;   // threads of those with takes_processors
  int short_threads_ = 0;  // threads of workers' batches that are not long
  Headroom headroom_;
  size_t waiting_ = 0;
  uint64_t begun_ = 0;
  base::Duration floor_{0};  // max `used_` of a queue when a worker took its batch
  Sleepers workers_;
  Sleepers express_;
};

}  // namespace torchferry::batching
