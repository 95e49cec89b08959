// The worker threads of the process and the queues that they pull batches from. What runs next, where, and who is
// woken is Dispatcher's decision; which tasks form a batch is BatchQueue's. Here both are carried out.
//
// A thread that runs batches:
//
//              ┌───────────── a batch, or what has ended ─────────────┐
//              ▼                                                      │
//        ┌──────────┐  End   ┌──────────┐  nothing is due   ┌──────────┐
//        │ running  ├───────►│  asking  ├──────────────────►│  asleep  │
//        └────┬─────┘        └────┬─────┘◄──────────────────┴──────────┘
//             │ given up          │ it is one too many    woken, or a time has come
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
#include "server/batching/worker_plan.h"

namespace torchferry::batching {

struct QueueNews;

// One fixed set of threads for all queues, which get equal time: a busy queue does not starve the others. A batch whose
// operators use several threads runs when so many are free; while that queue is the next in turn, no other takes them.
// A small batch on an idle server gets the threads of its queue's LatencyPoint. Short batches that no worker can take
// run on the express worker, beside the others.
//
// What does not end (docs/adr/0015-what-does-not-end.md): a worker whose pass was given up is stuck. Another takes its
// place, its queue is suspect, and takes no tasks until the pass has ended after all; that worker then ends. Where all
// workers are held up by some queues, one more is made for the others.
//
// What ends while it waits is dropped at its deadline, and soon after its caller has gone, whatever the workers do: a
// thread of its own sleeps until the first deadline. It is woken by a task whose deadline comes before that one alone.
//
// Thread-safe. Queues must not outlive it.
class Scheduler {
 public:
  struct Options {
    int workers = 1;
    // Of operators, in all batches of workers that run at the same time; 0: one for each worker.
    int threads = 0;
    // Called on a worker's own thread before a batch whose queue has another number than the one before. Null: nobody
    // cares.
    std::function<void(int threads)> set_threads = nullptr;
    // Ends the threads that operators have left to the calling one, where others need the processors. Null: there are
    // none.
    std::function<void()> release_threads = nullptr;
    // Of the calling thread, so far. Null: `clock` is used for what batches take.
    std::function<base::Duration()> processor_time = nullptr;
    // Whether there is a worker for short batches beside the others.
    bool has_express = false;
    // Sees what does not end; outlives the scheduler. Null: nobody does.
    base::StuckWatch* watch = nullptr;
    // Workers that may be made beside the others, while those are stuck or held up.
    int max_extra_workers = 0;
  };

  class Queue;

  // A thread that runs batches, as a Handler sees it.
  class Runner {
   public:
    virtual ~Runner() = default;
    // Under which Run does what cannot be interrupted.
    virtual base::Pass& pass() = 0;
    // Whether the running batch has the threads of its queue's LatencyPoint.
    virtual bool is_at_latency_point() const = 0;
    // The batch's outputs are there: what follows is for the answers. Where Run does not say so, all of it counts.
    virtual void HasComputed() = 0;
    // The running pass does not end, as `why` says. From Overrun::GiveUp; LookForStuck then tells who has to know.
    virtual void SetStuck(const absl::Status& why) = 0;
  };

  // What becomes of a queue's tasks.
  class Handler : public QueueOwner {
   public:
    // These two own their tasks and answer each of them exactly once. Called on worker threads, several at a time,
    // without a lock held; Drop on the watch's, the timer's and on who submits or closes the queue, too.
    virtual void Run(std::vector<std::unique_ptr<Task>> batch, Runner& runner) = 0;
    // DEADLINE_EXCEEDED, CANCELLED, or UNAVAILABLE when the queue was closed or is suspect, or the task was shed.
    virtual void Drop(std::unique_ptr<Task> task, const absl::Status& why) = 0;
    // The queue is suspect from now on, as `why` says, or with OK no longer. On the watch's thread, one at a time,
    // without a lock held.
    virtual void OnSuspect(const absl::Status&) {}
  };

  // What the workers do.
  struct Report {
    WorkerCounts workers;              // with express workers where these are stuck
    int stuck_callers = 0;             // threads that submit, in a pass that was given up
    base::TimePoint last_batch_end{};  // or when the scheduler began
  };

  Scheduler(Options options, const base::Clock& clock);
  // Every queue must have been closed. Joins the workers.
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // `handler` must live until the queue is closed.
  std::shared_ptr<Queue> AddQueue(BatchOptions options, Handler& handler);
  // From the next batch on.
  void SetOptions(Queue& queue, BatchOptions options);

  // UNAVAILABLE when the queue is full, closed or suspect, or `task` cannot run by its deadline (CheckWait); it then
  // stays with the caller. Tasks of lower priorities that give way to it are dropped, on this thread.
  absl::Status Submit(Queue& queue, std::unique_ptr<Task>& task);

  // Quick batches cost less where their tasks come from: no other thread has to wake up for them, and none meets this
  // one at a connection.
  //
  // The calling thread, which is no worker, calls RunAsCaller soon after each Submit, from now on. What it submits to a
  // queue whose batches are quick (IsForCaller) wakes no worker.
  void JoinAsCaller();
  // Whether RunAsCaller has something to do on this thread.
  bool HasCallerWork() const;
  // A batch of each queue that this thread has submitted to, where no batch of it is running. What is not quick any
  // more is left to the workers.
  void RunAsCaller();
  // Whether no worker runs a batch.
  bool IsIdle() const { return busy_ == 0; }
  // Counts batches, on whatever thread: unchanged, none has begun meanwhile.
  uint64_t activity() const { return activity_; }
  // A thread that has joined does not come to call RunAsCaller, nor will this one: what they have submitted is for the
  // workers.
  void HandOverToWorkers();

  // Takes back tasks that Run was given and that have not run, before all that wait. UNAVAILABLE when the queue is
  // closed or suspect; `tasks` then stay with the caller.
  absl::Status Return(Queue& queue, std::vector<std::unique_ptr<Task>>& tasks);

  // Likewise, to wait until Unpark.
  absl::Status Park(Queue& queue, std::vector<std::unique_ptr<Task>>& tasks);
  void Unpark(Queue& queue);

  // A Handler's MaxAtOnce has risen.
  void RecheckQueues();

  // Takes no more tasks, drops those that wait and returns when the last running batch has ended. Not from a worker.
  void Close(Queue& queue);
  // The first half of that, which does not wait.
  void BeginClose(Queue& queue);
  // The second, until `until` at the latest: whether no batch runs any more.
  bool HasEnded(Queue& queue, base::TimePoint until);

  // Looks at what the workers do: makes those that are wanted, drops what waits in suspect queues and what has ended
  // while it waited, tells their handlers. The watch does so by itself, again and again.
  void LookForStuck();
  Report report() const;

 private:
  class RunnerImpl;
  // What a thread carries out of the lock.
  struct Carried {
    std::shared_ptr<Queue> queue = nullptr;  // null: none, but for what is_last and RunnerImpl::has_to_release say
    Dispatcher::Work work = {};
    uint64_t ordering_key = 0;
    bool is_last = false;  // the thread ends
  };

  using Tasks = std::vector<std::unique_ptr<Task>>;
  // Submit, but for those that were shed.
  absl::Status Accept(Queue& queue, std::unique_ptr<Task>& task, std::vector<QueueNews>& news) FERRY_EXCLUDES(mutex_);
  // Takes tasks back, by `how`, one of BatchQueue's.
  absl::Status TakeBack(Queue& queue, Tasks& tasks, void (BatchQueue::*how)(Tasks)) FERRY_EXCLUDES(mutex_);
  // Wakes who is to be woken, if anybody.
  void Wake(std::optional<RunnerKind> kind, bool for_several_threads = false) FERRY_REQUIRES(mutex_);
  void WakeFor(const Queue& queue) FERRY_REQUIRES(mutex_);
  void SetFirstEnd(base::TimePoint deadline) FERRY_REQUIRES(mutex_);
  base::TimePoint DropEndedInTime();

  RunnerImpl& AddRunner(RunnerKind kind) FERRY_REQUIRES(mutex_);
  // How many workers were added.
  int AddMissing() FERRY_REQUIRES(mutex_);
  void WorkerLoop(RunnerImpl& runner);
  Carried NextWork(RunnerImpl& runner) FERRY_EXCLUDES(mutex_);
  Carried Assign(RunnerImpl& runner, Dispatcher::Work work) FERRY_REQUIRES(mutex_);
  void Sleep(RunnerImpl& runner, base::TimePoint until, uint64_t begun) FERRY_REQUIRES(mutex_);
  // These two: false when the thread is to end.
  bool Carry(Carried& carried, RunnerImpl& runner) FERRY_EXCLUDES(mutex_);
  bool End(RunnerImpl& runner, const Carried& carried, const BatchTime& took) FERRY_EXCLUDES(mutex_);
  // Of the calling thread, or of the clock.
  base::Duration TimeNow(bool is_processor_time) const;
  bool TakeAsCaller(const std::shared_ptr<Queue>& queue, RunnerImpl& runner, Carried& carried) FERRY_EXCLUDES(mutex_);

  void ReleaseTeam(RunnerImpl& runner) FERRY_EXCLUDES(mutex_);

  // A queue that holds up no thread has something to run.
  bool DoOthersWait() const FERRY_REQUIRES(mutex_);
  WorkerNews PlanWorkers() FERRY_REQUIRES(mutex_);
  std::vector<QueueNews> TakeNews(base::TimePoint now) FERRY_REQUIRES(mutex_);
  // When to look again for what ends.
  base::TimePoint TakeEnded(base::TimePoint now, std::vector<QueueNews>& news) FERRY_REQUIRES(mutex_);
  void Keep(QueueNews one, std::vector<QueueNews>& news) FERRY_REQUIRES(mutex_);
  void Tell(std::vector<QueueNews> news) FERRY_EXCLUDES(mutex_);

  const Options options_;
  const int threads_;  // of operators
  const base::Clock& clock_;

  mutable base::Mutex mutex_;
  base::CondVar batch_ended_;
  Dispatcher dispatcher_ FERRY_GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<Queue>> queues_ FERRY_GUARDED_BY(mutex_);
  Crew crew_ FERRY_GUARDED_BY(mutex_);
  uint64_t seen_begun_ FERRY_GUARDED_BY(mutex_) = 0;  // batches, when one watched last
  bool stopping_ FERRY_GUARDED_BY(mutex_) = false;

  std::atomic<int> busy_{0};  // workers that carry something
  std::atomic<uint64_t> activity_{0};

  bool is_none_left_ FERRY_GUARDED_BY(mutex_) = false;  // for the log
  base::TimePoint last_batch_end_ FERRY_GUARDED_BY(mutex_){};
  int subscription_ = 0;

  // At which the timer looks for what has ended; nothing ends before.
  base::TimePoint next_end_ FERRY_GUARDED_BY(mutex_) = base::kNoDeadline;
  base::TimePoint last_look_ FERRY_GUARDED_BY(mutex_) = base::TimePoint::min();
  base::LoopThread timer_{"queue-timer", [this] { return DropEndedInTime(); }};
};

}  // namespace torchferry::batching
