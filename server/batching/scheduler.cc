#include "server/batching/scheduler.h"

#include <algorithm>
#include <utility>

#include "server/base/status.h"

namespace torchferry {

// All fields are guarded by Scheduler::mutex_.
class Scheduler::Queue {
 public:
  Queue(BatchOptions options, int concurrency_limit, Handler& task_handler)
      : tasks(std::move(options)), max_concurrency(concurrency_limit), handler(task_handler) {}

  BatchQueue tasks;
  const int max_concurrency;
  Handler& handler;
  int running = 0;  // calls into `handler`, dropping included
  bool is_closed = false;
};

// What a worker carries out of the lock.
struct Scheduler::Work {
  std::shared_ptr<Queue> queue;  // null: stop
  BatchQueue::Taken taken;
};

Scheduler::Scheduler(Options options, const Clock& clock) : options_(std::move(options)), clock_(clock) {
  for (int i = 0; i < std::max(1, options_.workers); ++i) {
    workers_.emplace_back([this] { WorkerLoop(); });
  }
}

Scheduler::~Scheduler() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    work_available_.NotifyAll();
  }
  for (std::thread& worker : workers_) worker.join();
}

std::shared_ptr<Scheduler::Queue> Scheduler::AddQueue(BatchOptions options, int max_concurrency,
                                                      Handler& handler) {
  auto queue = std::make_shared<Queue>(std::move(options), max_concurrency, handler);
  MutexLock lock(mutex_);
  queues_.push_back(queue);
  return queue;
}

absl::Status Scheduler::Submit(Queue& queue, std::unique_ptr<Task>& task) {
  MutexLock lock(mutex_);
  if (queue.is_closed) return absl::UnavailableError("the model is being unloaded; try again later");
  TF_RETURN_IF_ERROR(queue.tasks.Push(task, clock_.Now()));
  queue.handler.OnDepth(static_cast<int64_t>(queue.tasks.size()));
  work_available_.NotifyOne();
  return absl::OkStatus();
}

absl::Status Scheduler::Return(Queue& queue, std::vector<std::unique_ptr<Task>>& tasks) {
  MutexLock lock(mutex_);
  if (queue.is_closed) return absl::UnavailableError("the model is being unloaded; try again later");
  queue.tasks.Return(std::exchange(tasks, {}));
  queue.handler.OnDepth(static_cast<int64_t>(queue.tasks.size()));
  work_available_.NotifyOne();
  return absl::OkStatus();
}

absl::Status Scheduler::Park(Queue& queue, std::vector<std::unique_ptr<Task>>& tasks) {
  MutexLock lock(mutex_);
  if (queue.is_closed) return absl::UnavailableError("the model is being unloaded; try again later");
  queue.tasks.Park(std::exchange(tasks, {}));
  queue.handler.OnDepth(static_cast<int64_t>(queue.tasks.size()));
  work_available_.NotifyOne();  // somebody has to wake when they expire
  return absl::OkStatus();
}

void Scheduler::Unpark(Queue& queue) {
  MutexLock lock(mutex_);
  queue.tasks.Unpark();
  work_available_.NotifyOne();
}

void Scheduler::Close(Queue& queue) {
  std::vector<std::unique_ptr<Task>> waiting;
  {
    MutexLock lock(mutex_);
    queue.is_closed = true;
    waiting = queue.tasks.TakeAll();
    queue.handler.OnDepth(0);
  }
  for (auto& task : waiting) {
    queue.handler.Drop(std::move(task), absl::UnavailableError("the model was unloaded; try again later"));
  }
  MutexLock lock(mutex_);
  while (queue.running > 0) batch_ended_.Wait(mutex_);
  std::erase_if(queues_, [&](const auto& candidate) { return candidate.get() == &queue; });
}

void Scheduler::WorkerLoop() {
  if (options_.on_worker_start) options_.on_worker_start();
  while (true) {
    Work work = NextWork();
    if (work.queue == nullptr) return;
    Handler& handler = work.queue->handler;
    for (auto& task : work.taken.expired) {
      handler.Drop(std::move(task), absl::DeadlineExceededError("the deadline passed while the request waited in "
                                                                "the queue; it was not run"));
    }
    for (auto& task : work.taken.cancelled) {
      handler.Drop(std::move(task), absl::CancelledError("the caller went away; the request was not run"));
    }
    const uint64_t lane = work.taken.batch.empty() ? 0 : work.taken.batch[0]->lane;
    if (!work.taken.batch.empty()) handler.Run(std::move(work.taken.batch));
    MutexLock lock(mutex_);
    --work.queue->running;
    work.queue->tasks.EndLane(lane);
    batch_ended_.NotifyAll();
    // What waited for the lane, or for the queue's concurrency limit, may run now.
    if (work.queue->tasks.size() > 0) work_available_.NotifyOne();
  }
}

Scheduler::Work Scheduler::NextWork() {
  MutexLock lock(mutex_);
  while (true) {
    Work work;
    TimePoint wake_at = kNoDeadline;
    if (TakeDueLocked(work, wake_at)) return work;
    if (stopping_) return work;
    if (wake_at == kNoDeadline) {
      work_available_.Wait(mutex_);
    } else {
      work_available_.WaitUntil(mutex_, wake_at);
    }
  }
}

bool Scheduler::TakeDueLocked(Work& work, TimePoint& wake_at) {
  const TimePoint now = clock_.Now();
  for (size_t i = 0; i < queues_.size(); ++i) {
    const size_t index = (next_queue_ + i) % queues_.size();
    Queue& queue = *queues_[index];
    if (queue.tasks.size() == 0) continue;
    if (queue.max_concurrency > 0 && queue.running >= queue.max_concurrency) continue;
    BatchQueue::Taken taken = queue.tasks.Take(now);
    if (taken.batch.empty() && taken.expired.empty() && taken.cancelled.empty()) {
      if (taken.wake_at.has_value()) wake_at = std::min(wake_at, *taken.wake_at);
      continue;
    }
    ++queue.running;
    queue.handler.OnDepth(static_cast<int64_t>(queue.tasks.size()));
    next_queue_ = index + 1;
    // Submit wakes one worker for each task; a batch that leaves tasks behind wakes the next.
    if (queue.tasks.size() > 0) work_available_.NotifyOne();
    work = {queues_[index], std::move(taken)};
    return true;
  }
  return false;
}

}  // namespace torchferry
