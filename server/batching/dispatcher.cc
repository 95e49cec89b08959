#include "server/batching/dispatcher.h"

#include <algorithm>
#include <tuple>

namespace torchferry::batching {
namespace {

bool IsEmpty(const BatchQueue::Taken& taken) {
  return taken.batch.empty() && taken.expired.empty() && taken.cancelled.empty();
}

int64_t RowsOf(const std::vector<std::unique_ptr<Task>>& batch) {
  int64_t rows = 0;
  for (const auto& task : batch) rows += task->rows;
  return rows;
}

}  // namespace

QueueView DispatchQueue::View() const {
  const int max_at_once = owner.MaxAtOnce();
  QueueView view{.pace = pace,
                 .waiting = tasks.size(),
                 .running = running,
                 .left_to_caller = left_to_caller,
                 .max_rows = options.max_rows,
                 .threads = options.threads,
                 .waits_for_company = options.max_queue_delay > base::Duration::zero(),
                 .is_at_limit = max_at_once > 0 && running >= max_at_once,
                 .may_run_on_caller = owner.MayRunOnCaller(),
                 .was_long = was_long,
                 .holds_up = stuck > 0 || held_up > 0};
  if (!started.empty()) {
    const auto [oldest, newest] = std::ranges::minmax_element(started);
    view.oldest_start = *oldest;
    view.newest_start = *newest;
  }
  return view;
}

bool Dispatcher::ByTurn::operator()(const DispatchQueue* a, const DispatchQueue* b) const {
  return std::tuple(a->used_, a->turn_, a) < std::tuple(b->used_, b->turn_, b);
}

void Dispatcher::Add(DispatchQueue& queue) {
  queue.used_ = std::max(queue.used_, floor_);
  if (queue.options.expected_batch > base::Duration::zero()) queue.pace.Expect(queue.options.expected_batch);
}

void Dispatcher::Remove(DispatchQueue& queue) {
  if (std::exchange(queue.is_listed_, false)) ready_.erase(&queue);
}

void Dispatcher::OnChange(DispatchQueue& queue) {
  const size_t size = queue.tasks.size();
  waiting_ += size;
  waiting_ -= std::exchange(queue.counted_, size);
  queue.owner.OnDepth(static_cast<int64_t>(size));
  const bool was_listed = std::exchange(queue.is_listed_, size > 0);
  if (was_listed && size == 0) ready_.erase(&queue);
  if (was_listed || size == 0) return;
  if (queue.running == 0) queue.used_ = std::max(queue.used_, floor_);  // nothing is saved up while there is no work
  ready_.insert(&queue);
}

std::optional<RunnerKind> Dispatcher::WhoWakes(const DispatchQueue& queue, base::TimePoint now) const {
  const QueueView view = queue.View();
  // One at a time: it takes what has come until then, and wakes the next if that was not all.
  const bool has_idle = workers_.idle > 0 && workers_.waking == 0;
  const bool is_wanted = WantsWorker(view, now);
  const bool has_threads = HasThreads(queue, now);
  if (has_idle && (!workers_.is_watched || (is_wanted && has_threads))) return RunnerKind::kWorker;
  const bool has_express = express_.idle > 0 && express_.waking == 0;
  if (!has_express || (workers_.idle > 0 && has_threads)) return std::nullopt;
  // While no worker is free it also is the one that looks again.
  const bool watches = workers_.idle == 0 && !express_.is_watched;
  return watches || (is_wanted && IsForExpress(view, now)) ? std::optional(RunnerKind::kExpress) : std::nullopt;
}

std::optional<RunnerKind> Dispatcher::WhoElseWakes(base::TimePoint now) const {
  if (waiting_ == 0) return std::nullopt;
  const bool has_idle = workers_.idle > 0 && workers_.waking == 0;
  if (has_idle && !workers_.is_watched) return RunnerKind::kWorker;
  if (!has_idle && (express_.idle == 0 || express_.waking > 0)) return std::nullopt;
  for (const DispatchQueue* queue : ready_) {
    const std::optional<RunnerKind> kind = WhoWakes(*queue, now);
    if (kind.has_value()) return kind;
  }
  return std::nullopt;
}

Dispatcher::Room Dispatcher::RoomFor(const DispatchQueue& queue, const Ask& ask, base::TimePoint now) const {
  const QueueView view = queue.View();
  if (view.is_at_limit || queue.stuck > 0 || (ask.avoids_held_up && queue.held_up > 0)) return Room::kNotNow;
  if (ask.kind == RunnerKind::kExpress || HasThreads(queue, now)) return Room::kRuns;
  return queue.tasks.HasDue(now) ? Room::kNoThreads : Room::kNotNow;
}

Dispatcher::Threads Dispatcher::ThreadsOf(const DispatchQueue& queue, base::TimePoint now) const {
  const int threads = queue.options.threads;
  if (queue.pace.IsShort() || !queue.owner.MayRunOnCaller()) return {.needed = threads};
  const int left = headroom_.FreeThreads(now);
  return {.needed = std::min(threads, threads_ - left), .left = left};
}

Dispatcher::Work Dispatcher::Take(const Ask& ask, base::TimePoint now, base::TimePoint& wake_at) {
  bool is_first = true;
  bool is_for_short = false;
  for (DispatchQueue* const queue : ready_) {
    const QueueView view = queue->View();
    if (is_for_short && !queue->pace.IsShort()) continue;
    if (IsLeftToCaller(view, now) || (ask.leaves_served && IsServedSoon(view, now))) continue;
    if (ask.kind == RunnerKind::kExpress && !IsForExpress(view, now)) continue;
    const Room room = RoomFor(*queue, ask, now);
    if (room == Room::kNoThreads) {
      // Its turn: what becomes free is for it, except for what long batches leave free.
      if (is_first && short_threads_ >= headroom_.FreeThreads(now)) return {};
      is_for_short |= is_first;
      continue;
    }
    is_first = false;
    BatchQueue::Taken taken = room == Room::kRuns ? queue->tasks.Take(now) : queue->tasks.TakeEnded(now);
    if (IsEmpty(taken)) {
      if (taken.wake_at.has_value()) wake_at = std::min(wake_at, *taken.wake_at);
      continue;
    }
    return Begin(*queue, std::move(taken), ask.kind, now);  // ready_ has changed
  }
  return {};
}

Dispatcher::Work Dispatcher::TakeAsCaller(DispatchQueue& queue, base::TimePoint now) {
  queue.left_to_caller.reset();
  if (queue.tasks.size() == 0 || !IsForCaller(queue.View())) return {};
  BatchQueue::Taken taken = queue.tasks.Take(now);
  if (IsEmpty(taken)) return {};  // all that waits is parked
  return Begin(queue, std::move(taken), RunnerKind::kCaller, now);
}

Dispatcher::Work Dispatcher::Begin(DispatchQueue& queue, BatchQueue::Taken taken, RunnerKind kind,
                                   base::TimePoint now) {
  Work work{.queue = &queue, .taken = std::move(taken), .kind = kind, .started = now};
  Remove(queue);
  queue.turn_ = ++begun_;
  if (kind == RunnerKind::kWorker) floor_ = std::max(floor_, queue.used_);
  ++queue.running;
  queue.started.push_back(now);
  OnChange(queue);
  if (work.taken.batch.empty()) {
    work.threads = 0;
    return work;
  }
  work.rows = RowsOf(work.taken.batch);
  SetThreads(work, now);
  if (kind == RunnerKind::kWorker) {
    work.is_long = !queue.pace.IsShort();
    work.takes_processors = work.is_long && queue.owner.MayRunOnCaller();
    free_threads_ -= work.threads;
    Count(work, 1, now);
  }
  work.charged = queue.pace.mean() * work.threads;
  Charge(queue, work.charged);
  return work;
}

void Dispatcher::Count(const Work& work, int change, base::TimePoint now) {
  running_ += change;
  if (!work.is_long) short_threads_ += change * work.threads;
  if (!work.takes_processors) return;
  long_threads_ += change * work.threads;
  headroom_.SetInUse(long_threads_, now);
}

void Dispatcher::SetThreads(Work& work, base::TimePoint now) {
  if (work.kind != RunnerKind::kWorker) return;
  DispatchQueue& queue = *work.queue;
  const Threads under_load = ThreadsOf(queue, now);
  work.threads = under_load.needed;
  if (work.threads > 1 && !queue.team_trial.MayRun()) work.threads = 1;
  const LatencyPoint& point = queue.options.latency;
  if (point.max_rows == 0) return;
  const int threads = LoneThreads(point, {.rows = work.rows,
                                          .waited = now - work.taken.batch[0]->enqueued,
                                          .others_wait = waiting_ > 0,
                                          .others_run = running_ > 0,
                                          .threads = work.threads,
                                          .free_threads = free_threads_ - under_load.left});
  if (threads == 0 || !queue.latency_trial.MayRun()) return;
  work.threads = threads;
  work.is_at_latency_point = true;
}

void Dispatcher::Charge(DispatchQueue& queue, base::Duration duration) {
  const bool is_listed = queue.is_listed_;
  if (is_listed) ready_.erase(&queue);
  queue.used_ += duration;
  if (is_listed) ready_.insert(&queue);
}

void Dispatcher::NoteTeam(const Work& work, base::Duration took) {
  DispatchQueue& queue = *work.queue;
  if (work.is_at_latency_point) {
    queue.latency_trial.RecordRun(IsTooSlow(queue.options.latency, took));
  } else if (work.kind == RunnerKind::kWorker && work.threads > 1) {
    queue.team_trial.RecordRun(queue.row_pace.RecordRun(took, work.rows));
  }
}

void Dispatcher::End(const Work& work, uint64_t ordering_key, base::TimePoint now, const BatchTime& took) {
  DispatchQueue& queue = *work.queue;
  --queue.running;
  queue.started.erase(std::ranges::find(queue.started, work.started));
  queue.tasks.ReleaseKey(ordering_key);
  if (work.threads == 0) return;
  Charge(queue, took.whole * work.threads - work.charged);
  queue.pace.RecordBatch(took);
  NoteTeam(work, now - work.started);
  if (work.kind == RunnerKind::kWorker) Count(work, -1, now);
  if (!work.is_long) headroom_.RecordShort(work.rows, now);
}

}  // namespace torchferry::batching
