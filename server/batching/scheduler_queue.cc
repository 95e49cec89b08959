#include "server/batching/scheduler_queue.h"

namespace torchferry::batching {

void QueueNews::Tell() {
  Scheduler::Handler& handler = queue->handler;
  if (is_suspect_news) handler.OnSuspect(suspect);
  for (auto& task : refused) handler.Drop(std::move(task), suspect);
  DropEnded(handler, ended);
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
