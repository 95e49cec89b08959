// Which queue's batch a thread runs next, with how many threads, and which thread is woken. No threads and no clock:
// `now` is an argument. Scheduler carries it out.
//
//   a task comes ──► WhoWakes ──► nobody: a thread that is awake takes it soon, or none is free
//                                 a worker, or the express worker: it is woken, and asks
//   a thread asks ─► Take ──────► a batch: it runs. WhoElseWakes: the next thread, if more is to be done
//                                 nothing: the thread sleeps until a time, or until it is woken
//   a batch ends ──► End ───────► its thread asks again
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "server/base/clock.h"
#include "server/batching/batch_queue.h"
#include "server/batching/lone_batch.h"
#include "server/batching/queue_pace.h"
#include "server/batching/wake_policy.h"

namespace torchferry::batching {

enum class RunnerKind {
  kWorker,   // one of a fixed number, each with threads of its own
  kExpress,  // beside these, for short batches while no worker can take them
  kCaller,   // a thread that submits
};

// What a queue says of itself.
class QueueOwner {
 public:
  virtual ~QueueOwner() = default;
  // Requests that wait, after each change. Cheap; called under the scheduler's lock, which it must not take.
  virtual void OnDepth(int64_t waiting) = 0;
  // Batches that may run at the same time; 0: as many as there are workers. As MayRunOnCaller.
  virtual int MaxAtOnce() const { return 0; }
  // Whether a batch may also be run by a thread that submits, while batches are quick: it is on the CPU. Cheap; called
  // under a lock.
  virtual bool MayRunOnCaller() const { return false; }
};

// A queue, what is known of it, and what runs of it.
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
  ThreadTrial latency_trial;  // of the latency point
  ThreadTrial team_trial;     // of several threads under load
  RowPace row_pace;           // with these

  int running = 0;                                // batches, by runners; dropping included
  std::vector<base::TimePoint> started;           // of these
  std::optional<base::TimePoint> left_to_caller;  // since when a task waits that a caller should run
  bool was_long = false;                          // see QueueView
  int stuck = 0;                                  // runners whose passes were given up: nothing of it runs then
  int held_up = 0;                                // runners

 private:
  friend class Dispatcher;
  base::Duration used_{0};  // time of threads, its own and what others used while it had nothing to run
  uint64_t turn_ = 0;       // of its last batch
  size_t counted_ = 0;      // tasks, in Dispatcher::waiting_
  bool is_listed_ = false;  // among those that have tasks
};

// Threads in turns of equal time: of the queues that have something to run, the one that has used the least time of
// threads is next. A queue of short batches hence waits for few long ones, and a busy queue starves no other.
// Not thread-safe.
class Dispatcher {
 public:
  // What a thread is to carry out.
  struct Work {
    DispatchQueue* queue = nullptr;  // null: nothing
    BatchQueue::Taken taken;
    RunnerKind kind = RunnerKind::kWorker;
    int64_t rows = 0;
    int threads = 1;  // of an operator
    bool is_at_latency_point = false;
    bool is_long = false;  // a worker's batch that is not expected to be short
    base::TimePoint started{};
    base::Duration charged{0};  // to the queue, until it is known what it took
  };

  // How a thread asks.
  struct Ask {
    RunnerKind kind = RunnerKind::kWorker;
    // What somebody else should soon take is left to him.
    bool leaves_served = false;
    // Not those that hold up others: it is there for those that wait for them.
    bool avoids_held_up = false;
  };

  // `threads`: of operators, in all batches of workers at the same time.
  explicit Dispatcher(int threads) : free_threads_(threads) {}

  void Add(DispatchQueue& queue);
  // Before it goes. Its tasks are gone, and no batch of it runs.
  void Remove(DispatchQueue& queue);

  // The tasks of `queue` have changed: to be called after each change. Tells its owner how many wait.
  void Changed(DispatchQueue& queue);

  // Whom to wake after tasks came to `queue`; nothing: nobody.
  std::optional<RunnerKind> WhoWakes(const DispatchQueue& queue, base::TimePoint now) const;
  // Likewise for all queues, after a thread has taken work or has gone.
  std::optional<RunnerKind> WhoElseWakes(base::TimePoint now) const;

  // The next batch, or what has ended while it waited. Nothing: `wake_at` is when to ask again, if nobody wakes the
  // thread before.
  Work Take(const Ask& ask, base::TimePoint now, base::TimePoint& wake_at);
  // Of this queue, on a thread that submits. Nothing where that is not the right place any more.
  Work TakeAsCaller(DispatchQueue& queue, base::TimePoint now);
  // `took`: as QueuePace::Took. `ordering_key`: of the batch.
  void End(const Work& work, uint64_t ordering_key, base::TimePoint now, const BatchTime& took);

  // Of a batch that runs, for somebody else: it is held up.
  void GiveThreads(int threads) { free_threads_ += threads; }

  // Threads that sleep, and of these those that have been woken and have not asked yet. Counted by who lets them.
  struct Sleepers {
    int idle = 0;
    int waking = 0;
    bool is_watched = false;  // one of them asks again within kWatch, whoever wakes it
  };
  Sleepers& workers() { return workers_; }
  Sleepers& express() { return express_; }

  size_t waiting() const { return waiting_; }  // tasks in all queues
  uint64_t begun() const { return begun_; }    // batches, in all
  int free_threads() const { return free_threads_; }
  // Queues that have tasks, the next one first.
  template <typename Visit>
  void EachWaiting(Visit visit) const {
    for (DispatchQueue* queue : ready_) visit(*queue);
  }

 private:
  struct ByTurn {
    bool operator()(const DispatchQueue* a, const DispatchQueue* b) const;
  };

  // Of a batch that may run: its threads of the workers'.
  enum class Room { kRuns, kNoThreads, kNotNow };
  Room RoomFor(const DispatchQueue& queue, const Ask& ask, base::TimePoint now) const;
  Work Begin(DispatchQueue& queue, BatchQueue::Taken taken, RunnerKind kind, base::TimePoint now);
  void SetThreads(Work& work, base::TimePoint now);
  static void NoteTeam(const Work& work, base::Duration took);
  void Charge(DispatchQueue& queue, base::Duration duration);

  std::set<DispatchQueue*, ByTurn> ready_;  // that have tasks
  int free_threads_;
  int running_ = 0;  // batches of workers
  size_t waiting_ = 0;
  uint64_t begun_ = 0;
  base::Duration floor_{0};  // used by the queue that was served last, before
  Sleepers workers_;
  Sleepers express_;
};

}  // namespace torchferry::batching
