#include "server/batching/scheduler_queue.h"

#include <algorithm>

#include "server/batching/expected_wait.h"

namespace torchferry::batching {

void QueueNews::Tell() {
  Scheduler::Handler& handler = queue->handler;
  if (is_suspect_news) handler.OnSuspect(suspect);
  for (auto& task : refused) handler.Drop(std::move(task), suspect);
  for (auto& task : shed) {
    const absl::Status why = ShedStatus(task->priority);
    handler.Drop(std::move(task), why);
  }
  DropEnded(handler, ended);
}

absl::Status CheckWait(const Scheduler::Queue& queue, const Task& task, int parallel, base::TimePoint now) {
  const bool has_time = task.deadline != base::kNoDeadline && task.deadline > now;
  // Quick ones also run on threads that submit.
  if (!has_time || task.ordering_key != 0 || !queue.pace.IsProven() || queue.pace.IsQuick()) return absl::OkStatus();
  const int max_at_once = queue.owner.MaxAtOnce();
  const EarliestStart::Pace pace = {.rows = queue.options.max_rows,
                                    .parallel = max_at_once > 0 ? std::min(max_at_once, parallel) : parallel,
                                    .shortest = queue.pace.shortest()};
  const QueueLoad& load = queue.tasks.load();
  if (now + EarliestStart::MaxOffset(pace, load.tasks, load.rows) <= task.deadline) return absl::OkStatus();
  EarliestStart start(pace, now);
  queue.tasks.EachBefore(task, [&](const Task& other) { start.Add(other.rows, other.deadline); });
  if (start.Get() <= task.deadline) return absl::OkStatus();
  return WaitStatus(start.Get() - now, task.deadline - now);
}

void DropEnded(Scheduler::Handler& handler, BatchQueue::Taken& taken) {
  for (auto& task : taken.expired) {
    handler.Drop(std::move(task), absl::DeadlineExceededError("the deadline passed while the request waited in "
                                                              "the queue; it was not run"));
  }
  for (auto& task : taken.cancelled) {
    handler.Drop(std::move(task), absl::CancelledError("the caller went away; the request was not run"));
  }
}

}  // namespace torchferry::batching
