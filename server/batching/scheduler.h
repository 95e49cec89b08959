// The worker threads of the process and the queues that they pull batches from. What is due is BatchQueue's decision;
// here it is only carried out.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/batching/batch_queue.h"

namespace torchferry::batching {

// One fixed set of threads for all queues, which take turns: a busy queue does not starve the others. A batch whose
// operators use several threads runs when so many are free; while that queue is the next in turn, no other takes them.
// Thread-safe. Queues must not outlive it.
class Scheduler {
 public:
  struct Options {
    int workers = 1;
    // Of operators, in all batches that run at the same time; 0: one for each worker.
    int threads = 0;
    // Called on a worker's own thread before a batch whose queue has another number than the one before. Null: nobody
    // cares.
    std::function<void(int threads)> set_threads = nullptr;
  };

  // What becomes of a queue's tasks. Called on worker threads, several at a time, without any lock held; each call owns
  // its tasks and answers each of them exactly once.
  class Handler {
   public:
    virtual ~Handler() = default;
    virtual void Run(std::vector<std::unique_ptr<Task>> batch) = 0;
    // DEADLINE_EXCEEDED, CANCELLED, or UNAVAILABLE when the queue was closed.
    virtual void Drop(std::unique_ptr<Task> task, const absl::Status& why) = 0;
    // Requests that wait, after each change.
    virtual void OnDepth(int64_t waiting) = 0;
    // Batches that may run at the same time; 0: as many as there are workers. As MayRunOnCaller.
    virtual int MostAtOnce() const { return 0; }
    // Whether a batch may also be run by a thread that submits (JoinAsCaller), while batches are quick. Cheap; called
    // under a lock.
    virtual bool MayRunOnCaller() const { return false; }
  };

  class Queue;

  Scheduler(Options options, const base::Clock& clock);
  // Every queue must have been closed. Joins the workers.
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // `handler` must live until the queue is closed.
  std::shared_ptr<Queue> AddQueue(BatchOptions options, Handler& handler);

  // UNAVAILABLE when the queue is full or closed; `task` then stays with the caller.
  absl::Status Submit(Queue& queue, std::unique_ptr<Task>& task);

  // Quick batches cost less where their tasks come from: no other thread has to wake up for them, and none meets this
  // one at a connection.
  //
  // The calling thread, which is no worker, calls RunAsCaller soon after each Submit, from now on. What it submits to a
  // queue whose batches take less than 200 us, use one thread, do not wait for company, and MayRunOnCaller, wakes no
  // worker.
  void JoinAsCaller();
  // Whether RunAsCaller has something to do on this thread.
  bool HasCallerWork() const;
  // A batch of each queue that this thread has submitted to, where no batch of it is running. What is not quick any
  // more is left to the workers.
  void RunAsCaller();
  // Whether no worker runs a batch.
  bool IsIdle() const { return busy_ == 0; }
  // A thread that has joined does not come to call RunAsCaller, nor will this one: what they have submitted is for the
  // workers.
  void HandOverToWorkers();

  // Takes back tasks that Run was given and that have not run, before all that wait. UNAVAILABLE when the queue is
  // closed; `tasks` then stay with the caller.
  absl::Status Return(Queue& queue, std::vector<std::unique_ptr<Task>>& tasks);

  // Likewise, to wait until Unpark.
  absl::Status Park(Queue& queue, std::vector<std::unique_ptr<Task>>& tasks);
  void Unpark(Queue& queue);

  // A Handler's MostAtOnce has risen.
  void LookAgain();

  // Takes no more tasks, drops those that wait and returns when the last running batch has ended. Not from a worker.
  void Close(Queue& queue);

 private:
  struct Work;
  // After tasks have come. True: work_available_ is to be notified, without the lock, which the woken worker takes
  // first of all.
  bool Added(Queue& queue, size_t tasks) FERRY_REQUIRES(mutex_);
  bool WakesAnother() FERRY_REQUIRES(mutex_);
  bool IsForCaller(const Queue& queue) const FERRY_REQUIRES(mutex_);
  bool TakeAsCaller(const std::shared_ptr<Queue>& queue, Work& work) FERRY_EXCLUDES(mutex_);
  void Begin(Queue& queue, const BatchQueue::Taken& taken, base::TimePoint now) FERRY_REQUIRES(mutex_);
  bool WantsWorker(const Queue& queue, base::TimePoint now) const FERRY_REQUIRES(mutex_);
  bool AnyWantsWorker(base::TimePoint now) const FERRY_REQUIRES(mutex_);
  void WorkerLoop();
  void End(const Work& work, uint64_t lane) FERRY_EXCLUDES(mutex_);
  void Carry(Work& work, int& threads);
  Work NextWork() FERRY_EXCLUDES(mutex_);
  // `leaves_served`: what somebody else should soon take is left to him.
  bool TakeDueLocked(Work& work, base::TimePoint& wake_at, bool leaves_served) FERRY_REQUIRES(mutex_);

  const Options options_;
  const base::Clock& clock_;

  base::Mutex mutex_;
  base::CondVar work_available_;
  base::CondVar batch_ended_;
  std::vector<std::shared_ptr<Queue>> queues_ FERRY_GUARDED_BY(mutex_);
  size_t next_queue_ FERRY_GUARDED_BY(mutex_) = 0;
  int free_threads_ FERRY_GUARDED_BY(mutex_) = 0;
  bool waits_for_threads_ FERRY_GUARDED_BY(mutex_) = false;  // a queue had something due, and too few were free
  size_t idle_ FERRY_GUARDED_BY(mutex_) = 0;                 // workers that wait
  size_t waking_ FERRY_GUARDED_BY(mutex_) = 0;               // of these, that have been notified
  bool is_watched_ FERRY_GUARDED_BY(mutex_) = false;         // one of these looks again soon, whoever wakes it
  uint64_t begun_ FERRY_GUARDED_BY(mutex_) = 0;              // batches, in all
  uint64_t seen_begun_ FERRY_GUARDED_BY(mutex_) = 0;         // when it was looked last
  size_t waiting_ FERRY_GUARDED_BY(mutex_) = 0;              // tasks in all queues
  bool stopping_ FERRY_GUARDED_BY(mutex_) = false;

  std::atomic<int> busy_{0};  // workers that carry something

  std::vector<std::thread> workers_;
};

}  // namespace torchferry::batching
