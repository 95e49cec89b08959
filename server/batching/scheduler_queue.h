// A queue of the scheduler, and the news that its handler gets beside batches. Internal to the scheduler.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "server/batching/scheduler.h"

namespace torchferry::batching {

// A queue that has a handler. All fields are guarded by the scheduler's lock.
class Scheduler::Queue : public DispatchQueue, public std::enable_shared_from_this<Queue> {
 public:
  Queue(BatchOptions batch_options, Handler& task_handler)
      : DispatchQueue(std::move(batch_options), task_handler), handler(task_handler) {}

  // Why the queue takes no tasks now; OK: it takes tasks.
  absl::Status Refusal() const {
    if (is_closed) return absl::UnavailableError("the model is being unloaded; try again later");
    return stuck > 0 ? suspect : absl::OkStatus();
  }

  Handler& handler;
  int telling = 0;  // running calls into `handler` by threads other than runners
  bool is_closed = false;
  bool is_told = false;    // the handler knows that it is suspect
  absl::Status suspect{};  // why it is suspect, or was last
};

// News that a handler gets without the lock. Its queue counts it in `telling` meanwhile.
struct QueueNews {
  std::shared_ptr<Scheduler::Queue> queue;
  bool is_suspect_news = false;  // the handler must be told of `suspect`
  absl::Status suspect{};
  BatchQueue::Taken ended{};                     // tasks that ended while they waited
  std::vector<std::unique_ptr<Task>> refused{};  // refused, as the queue is suspect
  std::vector<std::unique_ptr<Task>> shed{};     // shed for tasks of higher priorities

  bool IsEmpty() const {
    return !is_suspect_news && refused.empty() && shed.empty() && ended.expired.empty() && ended.cancelled.empty();
  }
  // Gives the tasks and the news to the handler.
  void Tell();
};

// UNAVAILABLE where `task` cannot run by its deadline, whatever happens to the tasks before it; otherwise OK. It does
// not foresee callers that go away. `parallel`: max batches at the same time. It refuses no task before enough batches
// have run.
absl::Status CheckWait(const Scheduler::Queue& queue, const Task& task, int parallel, base::TimePoint now);

// Drops the tasks of `taken` that ended while they waited.
void DropEnded(Scheduler::Handler& handler, BatchQueue::Taken& taken);

}  // namespace torchferry::batching
