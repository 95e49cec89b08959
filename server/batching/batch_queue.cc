#include "server/batching/batch_queue.h"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <unordered_map>

#include "server/base/refusal.h"
#include "server/base/status.h"

namespace torchferry::batching {

namespace {

// How often tasks that cannot run now are looked at for callers that have gone: nothing else happens to them.
constexpr base::Duration kLook = std::chrono::milliseconds(100);

QueueLoad LoadOf(const Task& task) { return {1, task.rows, task.bytes}; }

QueueLoad LoadOf(const std::vector<std::unique_ptr<Task>>& tasks) {
  QueueLoad load;
  for (const auto& task : tasks) load += LoadOf(*task);
  return load;
}

}  // namespace

absl::Status ShedStatus(uint32_t priority) {
  return base::WithLimit(
      base::MakeStatus(absl::StatusCode::kUnavailable,
                       "queue full: this request, of priority level {}, has given way to one of a higher priority; try "
                       "again later",
                       priority),
      "shed");
}

absl::Status BatchQueue::Push(std::unique_ptr<Task>& task, base::TimePoint now,
                              std::vector<std::unique_ptr<Task>>* shed) {
  absl::Status room = CheckRoom(Limits(), load_, LoadOf(*task));
  if (!room.ok() && (shed == nullptr || !HasLevels() || !Shed(*task, *shed))) return room;
  task->enqueued = now;
  load_ += LoadOf(*task);
  Insert(std::move(task));
  return absl::OkStatus();
}

// Where tasks came back they are before all others, whatever their priorities.
void BatchQueue::Insert(std::unique_ptr<Task> task) {
  auto at = tasks_.end();
  while (at != tasks_.begin() && (*std::prev(at))->priority > task->priority) --at;
  tasks_.insert(at, std::move(task));
}

bool BatchQueue::Shed(const Task& task, std::vector<std::unique_ptr<Task>>& shed) {
  QueueLoad left = load_;
  size_t count = 0;
  for (; !CheckRoom(Limits(), left, LoadOf(task)).ok(); ++count) {
    if (count == tasks_.size()) return false;
    const Task& last = *tasks_[tasks_.size() - 1 - count];
    if (last.priority <= task.priority) return false;
    left -= LoadOf(last);
  }
  for (; count > 0; --count) {
    shed.push_back(std::move(tasks_.back()));
    tasks_.pop_back();
  }
  load_ = left;
  return true;
}

void BatchQueue::Return(std::vector<std::unique_ptr<Task>> tasks) {
  load_ += LoadOf(tasks);
  tasks_.insert(tasks_.begin(), std::make_move_iterator(tasks.begin()), std::make_move_iterator(tasks.end()));
}

void BatchQueue::Park(std::vector<std::unique_ptr<Task>> tasks) {
  load_ += LoadOf(tasks);
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
  Candidate oldest = OldestBatch();
  base::TimePoint wake_at = base::kNoDeadline;
  if (!oldest.members.empty()) wake_at = FirstDue(oldest);
  std::optional<Candidate> due = TurnOfOldest(now);
  if (!due.has_value()) due = DueBatch(std::move(oldest), now);
  if (!due.has_value()) {
    for (const auto& task : tasks_) wake_at = std::min(wake_at, task->deadline);
    if (wake_at != base::kNoDeadline) taken.wake_at = wake_at;
    return taken;
  }
  Close(*due, now);
  for (const size_t index : due->members) taken.batch.push_back(std::move(tasks_[index]));
  if (const uint64_t ordering_key = taken.batch[0]->ordering_key; ordering_key != 0) busy_keys_.insert(ordering_key);
  std::erase(tasks_, nullptr);
  load_ -= LoadOf(taken.batch);
  if (HasLevels()) NoteTurn(taken.batch);
  return taken;
}

size_t BatchQueue::FirstCome() const {
  size_t first = tasks_.size();
  for (size_t i = 0; i < tasks_.size(); ++i) {
    if (busy_keys_.contains(tasks_[i]->ordering_key)) continue;
    if (first == tasks_.size() || tasks_[i]->enqueued < tasks_[first]->enqueued) first = i;
  }
  return first;
}

base::TimePoint BatchQueue::FirstDue(const Candidate& oldest) const {
  // With one level no other batch's delay is over sooner.
  const size_t first = HasLevels() ? FirstCome() : oldest.members[0];
  return tasks_[first]->enqueued + options_.max_queue_delay;
}

std::optional<BatchQueue::Candidate> BatchQueue::TurnOfOldest(base::TimePoint now) const {
  if (!HasLevels() || passed_over_ + 1 < kTurnOfOldest) return std::nullopt;
  const size_t first = FirstCome();
  if (first == tasks_.size()) return std::nullopt;
  Candidate candidate = BatchFrom(first);
  for (size_t i = 0; i < tasks_.size() && !candidate.is_full; ++i) {
    if (i != first && tasks_[i]->ordering_key == 0 && tasks_[i]->batch_key == tasks_[first]->batch_key)
      Extend(candidate, i);
  }
  return IsDue(candidate, now) ? std::optional(std::move(candidate)) : std::nullopt;
}

void BatchQueue::NoteTurn(const std::vector<std::unique_ptr<Task>>& batch) {
  const size_t first = FirstCome();
  const bool passes_over = first != tasks_.size() && std::ranges::all_of(batch, [&](const auto& task) {
                             return tasks_[first]->enqueued < task->enqueued;
                           });
  passed_over_ = passes_over ? passed_over_ + 1 : 0;
}

std::vector<std::unique_ptr<Task>> BatchQueue::TakeAll() {
  std::vector<std::unique_ptr<Task>> all(std::make_move_iterator(tasks_.begin()),
                                         std::make_move_iterator(tasks_.end()));
  tasks_.clear();
  std::move(parked_.begin(), parked_.end(), std::back_inserter(all));
  parked_.clear();
  load_ = {};
  return all;
}

int64_t BatchQueue::MaxRows(const BatchOptions& options) {
  const auto largest = std::ranges::max_element(options.preferred_rows);
  return largest == options.preferred_rows.end() ? options.max_rows : std::min(options.max_rows, *largest);
}

BatchQueue::Candidate BatchQueue::BatchFrom(size_t index) const {
  const Task& task = *tasks_[index];
  return {{index}, task.rows, task.ordering_key != 0 || task.rows >= max_rows_, IsPreferred(task.rows) ? size_t{1} : 0};
}

void BatchQueue::Extend(Candidate& candidate, size_t index) const {
  const int64_t rows = candidate.rows + tasks_[index]->rows;
  // A smaller one further back must not overtake this one, which is of its own key.
  candidate.is_full = rows >= max_rows_;
  if (rows > max_rows_) return;
  candidate.members.push_back(index);
  candidate.rows = rows;
  if (IsPreferred(rows)) candidate.preferred = candidate.members.size();
}

BatchQueue::Candidate BatchQueue::OldestBatch() const {
  const size_t first = OldestFree();
  if (first == tasks_.size()) return {};
  Candidate candidate = BatchFrom(first);
  for (size_t i = first + 1; i < tasks_.size() && !candidate.is_full; ++i) {
    const Task& task = *tasks_[i];
    if (task.ordering_key == 0 && task.batch_key == tasks_[first]->batch_key) Extend(candidate, i);
  }
  return candidate;
}

std::optional<BatchQueue::Candidate> BatchQueue::DueBatch(Candidate oldest, base::TimePoint now) const {
  if (oldest.members.empty()) return std::nullopt;
  if (IsDue(oldest, now)) return oldest;
  std::unordered_map<std::string_view, size_t> by_key;
  std::vector<Candidate> candidates;  // in the order of their oldest tasks
  for (size_t i = oldest.members[0]; i < tasks_.size(); ++i) {
    const Task& task = *tasks_[i];
    if (busy_keys_.contains(task.ordering_key)) continue;
    if (task.ordering_key != 0) {
      candidates.push_back(BatchFrom(i));
      continue;
    }
    const auto [of_key, is_new] = by_key.try_emplace(task.batch_key, candidates.size());
    if (is_new) {
      candidates.push_back(BatchFrom(i));
    } else if (!candidates[of_key->second].is_full) {
      Extend(candidates[of_key->second], i);
    }
  }
  const auto due = std::ranges::find_if(candidates, [&](const Candidate& one) { return IsDue(one, now); });
  if (due == candidates.end()) return std::nullopt;
  return std::move(*due);
}

void BatchQueue::Close(Candidate& candidate, base::TimePoint now) const {
  if (!candidate.is_full && candidate.preferred > 0 && !HasWaited(candidate, now)) {
    candidate.members.resize(candidate.preferred);
    return;
  }
  if (candidate.preferred == candidate.members.size()) return;
  int64_t rows = candidate.rows;
  for (size_t count = candidate.members.size(); count > 0; --count) {
    if (std::ranges::find(options_.row_counts, rows) != options_.row_counts.end()) {
      candidate.members.resize(count);
      return;
    }
    rows -= tasks_[candidate.members[count - 1]]->rows;
  }
}

bool BatchQueue::HasDue(base::TimePoint now) const { return DueBatch(OldestBatch(), now).has_value(); }

// The first task with a busy key keeps back the others with that key, which come behind it.
size_t BatchQueue::OldestFree() const {
  size_t index = 0;
  while (index < tasks_.size() && busy_keys_.contains(tasks_[index]->ordering_key)) ++index;
  return index;
}

bool BatchQueue::IsPreferred(int64_t rows) const {
  return std::ranges::find(options_.preferred_rows, rows) != options_.preferred_rows.end();
}

bool BatchQueue::HasWaited(const Candidate& candidate, base::TimePoint now) const {
  if (now - tasks_[candidate.members[0]]->enqueued >= options_.max_queue_delay) return true;
  // Company of a lower priority may have come before.
  return HasLevels() && std::ranges::any_of(candidate.members, [&](size_t index) {
           return now - tasks_[index]->enqueued >= options_.max_queue_delay;
         });
}

bool BatchQueue::IsDue(const Candidate& candidate, base::TimePoint now) const {
  return candidate.is_full || candidate.preferred > 0 || HasWaited(candidate, now);
}

void BatchQueue::DropEnded(std::deque<std::unique_ptr<Task>>& tasks, base::TimePoint now, Taken& taken) {
  bool has_ended = false;
  for (std::unique_ptr<Task>& task : tasks) {
    const bool is_cancelled = task->IsCancelled();
    if (!is_cancelled && task->deadline > now) continue;
    load_ -= LoadOf(*task);
    (is_cancelled ? taken.cancelled : taken.expired).push_back(std::move(task));
    has_ended = true;
  }
  if (has_ended) std::erase(tasks, nullptr);
}

}  // namespace torchferry::batching
