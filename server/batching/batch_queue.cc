#include "server/batching/batch_queue.h"

#include <algorithm>

#include "server/base/status.h"

namespace torchferry {

absl::Status BatchQueue::Push(std::unique_ptr<Task>& task, TimePoint now) {
  if (static_cast<int64_t>(tasks_.size()) >= options_.max_queue_size) {
    return MakeStatus(absl::StatusCode::kUnavailable,
                      "queue full: {} requests wait already, the limit; try again later", tasks_.size());
  }
  task->enqueued = now;
  tasks_.push_back(std::move(task));
  return absl::OkStatus();
}

void BatchQueue::Return(std::vector<std::unique_ptr<Task>> tasks) {
  tasks_.insert(tasks_.begin(), std::make_move_iterator(tasks.begin()), std::make_move_iterator(tasks.end()));
}

BatchQueue::Taken BatchQueue::Take(TimePoint now) {
  Taken taken;
  DropEnded(now, taken);
  if (tasks_.empty()) return taken;
  const Candidate candidate = OldestBatch();
  if (candidate.members.empty() || !IsDue(candidate, now)) {
    TimePoint wake_at = kNoDeadline;
    if (!candidate.members.empty()) {
      wake_at = tasks_[candidate.members[0]]->enqueued + options_.max_queue_delay;
    }
    for (const auto& task : tasks_) wake_at = std::min(wake_at, task->deadline);
    if (wake_at != kNoDeadline) taken.wake_at = wake_at;
    return taken;
  }
  for (const size_t index : candidate.members) taken.batch.push_back(std::move(tasks_[index]));
  if (const uint64_t lane = taken.batch[0]->lane; lane != 0) busy_lanes_.insert(lane);
  std::erase(tasks_, nullptr);
  return taken;
}

std::vector<std::unique_ptr<Task>> BatchQueue::TakeAll() {
  std::vector<std::unique_ptr<Task>> all(std::make_move_iterator(tasks_.begin()),
                                         std::make_move_iterator(tasks_.end()));
  tasks_.clear();
  return all;
}

BatchQueue::Candidate BatchQueue::OldestBatch() const {
  const size_t first = OldestFree();
  if (first == tasks_.size()) return {};
  const Task& oldest = *tasks_[first];
  Candidate candidate{{first}, oldest.rows, oldest.lane != 0 || oldest.rows >= options_.max_rows};
  for (size_t i = first + 1; i < tasks_.size() && !candidate.is_full; ++i) {
    const Task& task = *tasks_[i];
    if (task.lane != 0 || task.batch_key != oldest.batch_key) continue;
    // A smaller one further back must not overtake one of its own key.
    if (candidate.rows + task.rows > options_.max_rows) {
      candidate.is_full = true;
      break;
    }
    candidate.members.push_back(i);
    candidate.rows += task.rows;
    candidate.is_full = candidate.rows == options_.max_rows;
  }
  return candidate;
}

// The first task of a busy lane keeps back the others of that lane, which come behind it.
size_t BatchQueue::OldestFree() const {
  size_t index = 0;
  while (index < tasks_.size() && busy_lanes_.contains(tasks_[index]->lane)) ++index;
  return index;
}

bool BatchQueue::IsDue(const Candidate& candidate, TimePoint now) const {
  const bool is_preferred = std::find(options_.preferred_rows.begin(), options_.preferred_rows.end(),
                                      candidate.rows) != options_.preferred_rows.end();
  return candidate.is_full || is_preferred ||
         now - tasks_[candidate.members[0]]->enqueued >= options_.max_queue_delay;
}

void BatchQueue::DropEnded(TimePoint now, Taken& taken) {
  for (std::unique_ptr<Task>& task : tasks_) {
    if (task->IsCancelled()) {
      taken.cancelled.push_back(std::move(task));
    } else if (task->deadline <= now) {
      taken.expired.push_back(std::move(task));
    }
  }
  if (!taken.cancelled.empty() || !taken.expired.empty()) std::erase(tasks_, nullptr);
}

}  // namespace torchferry
