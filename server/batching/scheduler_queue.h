// A queue of the scheduler, and what its handler hears of beside batches. For scheduler.cc alone.
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

  // Why it takes no tasks now.
  absl::Status Refusal() const {
    if (is_closed) return absl::UnavailableError("the model is being unloaded; try again later");
    return stuck > 0 ? suspect : absl::OkStatus();
  }

  Handler& handler;
  int telling = 0;  // calls into `handler` by others than runners
  bool is_closed = false;
  bool is_told = false;    // the handler knows that it is suspect
  absl::Status suspect{};  // why it is, or was last
};

// What a handler is to be told without the lock; its queue counts it in `telling` meanwhile.
struct QueueNews {
  std::shared_ptr<Scheduler::Queue> queue;
  bool is_suspect_news = false;  // the handler is to hear of `suspect`
  absl::Status suspect{};
  BatchQueue::Taken ended{};                     // while it waited
  std::vector<std::unique_ptr<Task>> refused{};  // as the queue is suspect
  std::vector<std::unique_ptr<Task>> shed{};     // for tasks of higher priorities

  bool IsEmpty() const {
    return !is_suspect_news && refused.empty() && shed.empty() && ended.expired.empty() && ended.cancelled.empty();
  }
  // Hands the tasks over.
  void Tell();
};

// OK unless `task` cannot run by its deadline, whatever happens to what waits before it, but for callers that go away.
// `parallel`: batches that run at the same time, at most. Nothing is refused before enough batches have run.
absl::Status CheckWait(const Scheduler::Queue& queue, const Task& task, int parallel, base::TimePoint now);

// Those of `taken` that have ended while they waited.
void DropEnded(Scheduler::Handler& handler, BatchQueue::Taken& taken);

}  // namespace torchferry::batching
