#include "server/batching/batch_queue.h"

#include <algorithm>

#include "server/base/status.h"

namespace torchferry::batching {

namespace {

// How often tasks that cannot run now are looked at for callers that have gone: nothing else happens to them.
constexpr base::Duration kLook = std::chrono::milliseconds(100);

}  // namespace

absl::Status BatchQueue::Push(std::unique_ptr<Task>& task, base::TimePoint now) {
  if (static_cast<int64_t>(size()) >= options_.max_queue_size) {
    return base::MakeStatus(absl::StatusCode::kUnavailable,
                            "queue full: {} requests wait already, the limit; try again later", size());
  }
  task->enqueued = now;
  tasks_.push_back(std::move(task));
  return absl::OkStatus();
}

void BatchQueue::Return(std::vector<std::unique_ptr<Task>> tasks) {
  tasks_.insert(tasks_.begin(), std::make_move_iterator(tasks.begin()), std::make_move_iterator(tasks.end()));
}

void BatchQueue::Park(std::vector<std::unique_ptr<Task>> tasks) {
  parked_.insert(parked_.end(), std::make_move_iterator(tasks.begin()), std::make_move_iterator(tasks.end()));
}

void BatchQueue::Unpark() {
  tasks_.insert(tasks_.begin(), std::make_move_iterator(parked_.begin()), std::make_move_iterator(parked_.end()));
  parked_.clear();
}

BatchQueue::Taken BatchQueue::Take(base::TimePoint now) {
  Taken taken = TakeRunnable(now);
  DropEnded(parked_, now, taken);
  if (parked_.empty()) return taken;
  base::TimePoint wake_at = taken.wake_at.value_or(base::kNoDeadline);
  for (const auto& task : parked_) wake_at = std::min({wake_at, task->deadline, now + kLook});
  taken.wake_at = wake_at;
  return taken;
}

BatchQueue::Taken BatchQueue::TakeEnded(base::TimePoint now) {
  Taken taken;
  DropEnded(tasks_, now, taken);
  DropEnded(parked_, now, taken);
  if (size() == 0) return taken;
  base::TimePoint wake_at = now + kLook;
  for (const auto* tasks : {&tasks_, &parked_}) {
    for (const auto& task : *tasks) wake_at = std::min(wake_at, task->deadline);
  }
  taken.wake_at = wake_at;
  return taken;
}

BatchQueue::Taken BatchQueue::TakeRunnable(base::TimePoint now) {
  Taken taken;
  DropEnded(tasks_, now, taken);
  if (tasks_.empty()) return taken;
  Candidate candidate = OldestBatch();
  if (candidate.members.empty() || !IsDue(candidate, now)) {
    base::TimePoint wake_at = base::kNoDeadline;
    if (!candidate.members.empty()) {
      wake_at = tasks_[candidate.members[0]]->enqueued + options_.max_queue_delay;
    }
    for (const auto& task : tasks_) wake_at = std::min(wake_at, task->deadline);
    if (wake_at != base::kNoDeadline) taken.wake_at = wake_at;
    return taken;
  }
  FitRowCounts(candidate);
  for (const size_t index : candidate.members) taken.batch.push_back(std::move(tasks_[index]));
  if (const uint64_t lane = taken.batch[0]->lane; lane != 0) busy_lanes_.insert(lane);
  std::erase(tasks_, nullptr);
  return taken;
}

std::vector<std::unique_ptr<Task>> BatchQueue::TakeAll() {
  std::vector<std::unique_ptr<Task>> all(std::make_move_iterator(tasks_.begin()),
                                         std::make_move_iterator(tasks_.end()));
  tasks_.clear();
  std::move(parked_.begin(), parked_.end(), std::back_inserter(all));
  parked_.clear();
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

void BatchQueue::FitRowCounts(Candidate& candidate) const {
  int64_t rows = candidate.rows;
  for (size_t count = candidate.members.size(); count > 0; --count) {
    if (std::ranges::find(options_.row_counts, rows) != options_.row_counts.end()) {
      candidate.members.resize(count);
      candidate.rows = rows;
      return;
    }
    rows -= tasks_[candidate.members[count - 1]]->rows;
  }
}

bool BatchQueue::HasDue(base::TimePoint now) const {
  const Candidate candidate = OldestBatch();
  return !candidate.members.empty() && IsDue(candidate, now);
}

// The first task of a busy lane keeps back the others of that lane, which come behind it.
size_t BatchQueue::OldestFree() const {
  size_t index = 0;
  while (index < tasks_.size() && busy_lanes_.contains(tasks_[index]->lane)) ++index;
  return index;
}

bool BatchQueue::IsDue(const Candidate& candidate, base::TimePoint now) const {
  const bool is_preferred = std::find(options_.preferred_rows.begin(), options_.preferred_rows.end(), candidate.rows) !=
                            options_.preferred_rows.end();
  return candidate.is_full || is_preferred || now - tasks_[candidate.members[0]]->enqueued >= options_.max_queue_delay;
}

void BatchQueue::DropEnded(std::deque<std::unique_ptr<Task>>& tasks, base::TimePoint now, Taken& taken) {
  bool has_ended = false;
  for (std::unique_ptr<Task>& task : tasks) {
    const bool is_cancelled = task->IsCancelled();
    if (!is_cancelled && task->deadline > now) continue;
    (is_cancelled ? taken.cancelled : taken.expired).push_back(std::move(task));
    has_ended = true;
  }
  if (has_ended) std::erase(tasks, nullptr);
}

}  // namespace torchferry::batching
