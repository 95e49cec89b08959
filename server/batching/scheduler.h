// The worker threads of the process and the queues that they pull batches from. Dispatcher decides what runs next, on
// which thread, and which thread is woken. BatchQueue decides which tasks form a batch. Scheduler carries both
// decisions out.
//
// A thread that runs batches:
//
//              ┌────────────── a batch, or ended tasks ───────────────┐
//              ▼                                                      │
//        ┌──────────┐  End   ┌──────────┐  nothing is due   ┌──────────┐
//        │ running  ├───────►│  asking  ├──────────────────►│  asleep  │
//        └────┬─────┘        └────┬─────┘◄──────────────────┴──────────┘
//             │ given up          │ surplus               woken, or its time came
//             ▼                   ▼
//        ┌──────────┐  End   ┌──────────┐
//        │  stuck   ├───────►│  ended   │
//        └──────────┘        └──────────┘
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "server/base/clock.h"
#include "server/base/loop_thread.h"
#include "server/base/mutex.h"
#include "server/base/pass.h"
#include "server/base/stuck_watch.h"
#include "server/batching/batch_queue.h"
#include "server/batching/crew.h"
#include "server/batching/dispatcher.h"
#include "server/batching/long_time.h"
#include "server/batching/worker_plan.h"

namespace torchferry::batching {

struct QueueNews;

// One set of threads serves all queues. Queues get equal time, so a busy queue does not starve the others. A batch
// whose operators use N threads runs when N threads are free. While its queue is next in turn, no other queue takes
// them. A small batch on an idle server gets the threads of its queue's LatencyPoint. Short batches that no worker can
// take run on the express worker, beside the others.
//
// A worker whose pass was given up is stuck (docs/adr/0015-what-does-not-end.md). Another worker takes its place. Its
// queue is suspect, and takes no tasks until the pass has ended; the stuck worker then ends. Where some queues hold up
// all workers, one more worker is made for the other queues.
//
// A waiting task is dropped at its deadline, or soon after its caller has gone, even while all workers are busy. A
// timer thread does this. It sleeps until the first deadline or the next look for gone callers. Only a task with an
// earlier deadline wakes it.
//
// Thread-safe. Queues must not outlive it.
class Scheduler {
 public:
  struct Options {
    int workers = 1;
    // Operator threads, in all batches of workers that run at the same time. 0, or fewer than `workers`: one for each
    // worker.
    int threads = 0;
    // Called on the thread of a worker, before a batch with another number of operator threads than the batch before.
    // Also called once, with 1, on a thread that joins as a caller. Null: not called.
    std::function<void(int threads)> set_threads = nullptr;
    // Ends the threads that operators left to the calling thread, where others need the processors. Null: operators
    // leave no threads.
    std::function<void()> release_threads = nullptr;
    // Processor time of the calling thread so far. Null: batches are measured by `clock`.
    std::function<base::Duration()> processor_time = nullptr;
    // Whether there is a worker for short batches beside the others.
    bool has_express = false;
    // Whether long batches leave threads free where short ones gain more by it than they lose (Headroom).
    bool leaves_headroom = false;
    // Finds passes that do not end; outlives the scheduler. Null: no pass is watched.
    base::StuckWatch* watch = nullptr;
    // Max extra workers, made while others are stuck or held up.
    int max_extra_workers = 0;
  };

  class Queue;

  // A thread that runs batches, as a Handler sees it.
  class Runner {
   public:
    virtual ~Runner() = default;
    // The pass under which Run does its uninterruptible work.
    virtual base::Pass& pass() = 0;
    // Whether the running batch has the threads of its queue's LatencyPoint.
    virtual bool is_at_latency_point() const = 0;
    // The batch's outputs are there; the rest of Run is for the answers. Where Run does not call this, its whole time
    // counts.
    virtual void HasComputed() = 0;
    // The running pass does not end, for the reason `why`. Called from Overrun::GiveUp; LookForStuck then tells the
    // handlers.
    virtual void SetStuck(const absl::Status& why) = 0;
  };

  // Runs or drops the tasks of a queue.
  class Handler : public QueueOwner {
   public:
    // Run and Drop own their tasks and answer each of them exactly once. Both are called on worker threads, several at
    // a time, without a lock held. Run is also called on callers' threads (RunAsCaller). Drop is also called by the
    // watch, the timer, and threads that submit or close.
    virtual void Run(std::vector<std::unique_ptr<Task>> batch, Runner& runner) = 0;
    // `why` is DEADLINE_EXCEEDED, CANCELLED or UNAVAILABLE. UNAVAILABLE: the queue was closed or is suspect, or the
    // task was shed.
    virtual void Drop(std::unique_ptr<Task> task, const absl::Status& why) = 0;
    // The queue is suspect from now on, for the reason `why`; OK: it is suspect no longer. Called on the watch's
    // thread, one call at a time, without a lock held.
    virtual void OnSuspect(const absl::Status&) {}
  };

  // The state of the workers.
  struct Report {
    WorkerCounts workers;              // stuck express workers included
    int stuck_callers = 0;             // submitting threads in a pass that was given up
    base::TimePoint last_batch_end{};  // end of the last batch, or the scheduler's start
  };

  Scheduler(Options options, const base::Clock& clock);
  // Every queue must have been closed. Joins the workers.
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // `handler` must live until the queue is closed.
  std::shared_ptr<Queue> AddQueue(BatchOptions options, Handler& handler);
  // Applies `options` from the next batch on.
  void SetOptions(Queue& queue, BatchOptions options);

  // Puts `task` into `queue`. UNAVAILABLE when the queue is full, closed or suspect, or `task` cannot run by its
  // deadline (CheckWait). `task` then stays with the caller. Tasks of lower priorities that give way to it are dropped
  // on this thread.
  absl::Status Submit(Queue& queue, std::unique_ptr<Task>& task);

  // Quick batches cost less on the thread that submits their tasks. No other thread has to wake up for them, or meets
  // this thread at a connection.
  //
  // From now on the calling thread calls RunAsCaller soon after each Submit. It must not be a worker. Its tasks for a
  // queue with quick batches (IsForCaller) wake no worker.
  void JoinAsCaller();
  // Whether RunAsCaller has something to do on this thread.
  bool HasCallerWork() const;
  // How many tasks the next RunAsCaller has.
  size_t CountCallerTasks() const;
  // Runs one batch of the first queue that this thread has submitted to, unless a batch of that queue is running. A
  // queue that is not quick any more is left to the workers.
  void RunAsCaller();
  // Whether no worker runs a batch.
  bool IsIdle() const { return busy_ == 0; }
  // Counts batches, on all threads. While it is unchanged, no batch has begun.
  uint64_t activity() const { return activity_; }
  // Leaves to the workers what this thread and other joined threads have submitted. To be called when a joined thread
  // is held up and cannot call RunAsCaller, and this thread will not call it either.
  void HandOverToWorkers();

  // Takes back tasks that Run was given and that have not run, before all that wait. UNAVAILABLE when the queue is
  // closed or suspect; `tasks` then stay with the caller.
  absl::Status Return(Queue& queue, std::vector<std::unique_ptr<Task>>& tasks);

  // As Return, but the tasks wait until Unpark.
  absl::Status Park(Queue& queue, std::vector<std::unique_ptr<Task>>& tasks);
  void Unpark(Queue& queue);

  // Must be called when a Handler's MaxAtOnce has risen.
  void RecheckQueues();

  // Takes no more tasks, drops those that wait, and returns when the last running batch has ended. Must not be called
  // from a worker.
  void Close(Queue& queue);
  // The first half of Close. It does not wait.
  void BeginClose(Queue& queue);
  // The second half of Close. It waits until `until` at the latest, and returns whether no batch runs any more.
  bool HasEnded(Queue& queue, base::TimePoint until);

  // Makes the workers that are wanted. Drops what waits in suspect queues and tasks that ended while they waited, and
  // tells the handlers. The watch calls it again and again.
  void LookForStuck();
  Report report() const;

 private:
  class RunnerImpl;
  // Work that a thread carries out, without the lock.
  struct Carried {
    std::shared_ptr<Queue> queue = nullptr;  // null: no work; see is_last and RunnerImpl::has_to_release
    Dispatcher::Work work = {};
    uint64_t ordering_key = 0;
    bool is_last = false;  // the thread ends
  };

  using Tasks = std::vector<std::unique_ptr<Task>>;
  // Submit, except that tasks that were shed are added to `news`, and not dropped yet.
  absl::Status Accept(Queue& queue, std::unique_ptr<Task>& task, std::vector<QueueNews>& news) FERRY_EXCLUDES(mutex_);
  // Takes tasks back by `how`, a member of BatchQueue.
  absl::Status TakeBack(Queue& queue, Tasks& tasks, void (BatchQueue::*how)(Tasks)) FERRY_EXCLUDES(mutex_);
  // Wakes a thread of `kind`; empty: wakes no thread.
  void Wake(std::optional<RunnerKind> kind, bool for_several_threads = false) FERRY_REQUIRES(mutex_);
  void WakeFor(const Queue& queue) FERRY_REQUIRES(mutex_);
  void SetFirstEnd(base::TimePoint deadline) FERRY_REQUIRES(mutex_);
  base::TimePoint DropEndedInTime();

  RunnerImpl& AddRunner(RunnerKind kind) FERRY_REQUIRES(mutex_);
  // Returns how many workers were added.
  int AddMissing() FERRY_REQUIRES(mutex_);
  void WorkerLoop(RunnerImpl& runner);
  Carried NextWork(RunnerImpl& runner) FERRY_EXCLUDES(mutex_);
  Carried Assign(RunnerImpl& runner, Dispatcher::Work work) FERRY_REQUIRES(mutex_);
  void Sleep(RunnerImpl& runner, base::TimePoint until, uint64_t begun) FERRY_REQUIRES(mutex_);
  // Carry and End return false when the thread is to end.
  bool Carry(Carried& carried, RunnerImpl& runner) FERRY_EXCLUDES(mutex_);
  bool End(RunnerImpl& runner, const Carried& carried, const BatchTime& took) FERRY_EXCLUDES(mutex_);
  // Processor time of the calling thread, or the clock's time.
  base::Duration TimeNow(bool is_processor_time) const;
  bool TakeAsCaller(const std::shared_ptr<Queue>& queue, RunnerImpl& runner, Carried& carried) FERRY_EXCLUDES(mutex_);

  void ReleaseTeam(RunnerImpl& runner) FERRY_EXCLUDES(mutex_);

  // Whether a queue that holds up no thread has something to run.
  bool DoOthersWait() const FERRY_REQUIRES(mutex_);
  WorkerNews PlanWorkers() FERRY_REQUIRES(mutex_);
  std::vector<QueueNews> TakeNews(base::TimePoint now) FERRY_REQUIRES(mutex_);
  // Returns when to look again for tasks that end while they wait.
  base::TimePoint TakeEnded(base::TimePoint now, std::vector<QueueNews>& news) FERRY_REQUIRES(mutex_);
  void Keep(QueueNews one, std::vector<QueueNews>& news) FERRY_REQUIRES(mutex_);
  void Tell(std::vector<QueueNews> news) FERRY_EXCLUDES(mutex_);

  const Options options_;
  const int threads_;  // operator threads, in all batches of workers
  const base::Clock& clock_;

  mutable base::Mutex mutex_;
  base::CondVar batch_ended_;
  LongTime long_time_ FERRY_GUARDED_BY(mutex_);
  Dispatcher dispatcher_ FERRY_GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<Queue>> queues_ FERRY_GUARDED_BY(mutex_);
  Crew crew_ FERRY_GUARDED_BY(mutex_);
  uint64_t seen_begun_ FERRY_GUARDED_BY(mutex_) = 0;  // begun batches when a sleeper last watched
  bool stopping_ FERRY_GUARDED_BY(mutex_) = false;

  std::atomic<int> busy_{0};  // workers that carry work
  std::atomic<uint64_t> activity_{0};

  bool is_none_left_ FERRY_GUARDED_BY(mutex_) = false;  // as the log said last
  base::TimePoint last_batch_end_ FERRY_GUARDED_BY(mutex_){};
  int subscription_ = 0;

  // When the timer looks for ended tasks next. No deadline comes before.
  base::TimePoint next_end_ FERRY_GUARDED_BY(mutex_) = base::kNoDeadline;
  base::TimePoint last_look_ FERRY_GUARDED_BY(mutex_) = base::TimePoint::min();
  base::LoopThread timer_{"queue-timer", [this] { return DropEndedInTime(); }};
};

}  // namespace torchferry::batching
