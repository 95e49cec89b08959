#include "server/batching/scheduler.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "server/base/status.h"
#include "server/base/thread_name.h"
#include "server/base/thread_priority.h"
#include "server/base/thread_slice.h"
#include "server/batching/scheduler_queue.h"

namespace torchferry::batching {
namespace {

// The timer looks no more often, however many deadlines there are.
constexpr base::Duration kTimerApart = std::chrono::milliseconds(5);

// Of a thread that runs long batches: threads that need a processor for less take it at once.
constexpr base::Duration kLongTurn = std::chrono::milliseconds(20);

}  // namespace

// A thread that runs batches. The fields here are its own.
class Scheduler::RunnerImpl final : public Runner, public CrewMember {
 public:
  RunnerImpl(Scheduler& scheduler, std::shared_ptr<base::Pass> pass, RunnerKind runner_kind)
      : CrewMember(runner_kind), scheduler_(scheduler), pass_(std::move(pass)) {}

  base::Pass& pass() override { return *pass_; }
  bool is_at_latency_point() const override { return runs_at_latency_point; }
  void HasComputed() override { computed_at = scheduler_.TimeNow(counts_processor_time); }

  void SetStuck(const absl::Status& why) override {
    base::MutexLock lock(scheduler_.mutex_);
    scheduler_.crew_.SetStuck(*this);
    static_cast<Queue&>(*queue).suspect = why;
    scheduler_.dispatcher_.GiveThreads(std::exchange(threads, 0));
    if (kind != RunnerKind::kCaller) base::LowerPriority(thread_number);
  }

  int operator_threads = 0;  // as set last
  bool has_long_turns = false;
  base::ThreadClock processor_clock{};  // of a worker
  bool counts_processor_time = false;
  std::optional<base::Duration> computed_at;  // of the running batch
  bool runs_at_latency_point = false;

 private:
  Scheduler& scheduler_;
  const std::shared_ptr<base::Pass> pass_;
};

namespace {

// Tasks that a thread has left to itself.
struct LeftTasks {
  std::shared_ptr<Scheduler::Queue> queue;
  size_t count = 0;
};

// A thread that has joined. Its queues take turns.
struct Caller {
  const Scheduler* scheduler = nullptr;
  Scheduler::Runner* runner = nullptr;
  std::vector<LeftTasks> left;

  void Leave(Scheduler::Queue& queue, size_t tasks) {
    const auto known = std::ranges::find(left, &queue, [](const LeftTasks& one) { return one.queue.get(); });
    if (known == left.end()) return left.push_back({queue.shared_from_this(), tasks});
    known->count += tasks;
  }
};
thread_local Caller this_caller;

std::function<base::Duration()> TotalOf(const LongTime* time) {
  return [time] { return time->Total(); };
}

}  // namespace

Scheduler::Scheduler(Options options, const base::Clock& clock)
    : options_(std::move(options)),
      threads_(std::max({1, options_.workers, options_.threads})),
      clock_(clock),
      dispatcher_(threads_, options_.leaves_headroom ? TotalOf(&long_time_) : nullptr),
      crew_({.workers = std::max(1, options_.workers),
             .threads = threads_,
             .max_extra = options_.max_extra_workers,
             .has_express = options_.has_express}) {
  {
    base::MutexLock lock(mutex_);
    last_batch_end_ = clock_.Now();
    AddMissing();
  }
  if (options_.watch != nullptr) subscription_ = options_.watch->OnLook([this] { LookForStuck(); });
  timer_.Start();
}

Scheduler::~Scheduler() {
  timer_.Stop();
  if (options_.watch != nullptr) options_.watch->Unsubscribe(subscription_);
  std::vector<std::unique_ptr<CrewMember>> ended;
  {
    base::MutexLock lock(mutex_);
    stopping_ = true;
    crew_.WakeAll();
    ended = crew_.TakeEnded();
  }
  for (const auto& member : ended) member->thread.join();
  while (true) {
    std::unique_ptr<CrewMember> last;
    {
      base::MutexLock lock(mutex_);
      last = crew_.TakeLast();
    }
    if (last == nullptr) return;
    last->thread.join();
  }
}

Scheduler::RunnerImpl& Scheduler::AddRunner(RunnerKind kind) {
  auto pass = options_.watch == nullptr ? std::make_shared<base::Pass>() : options_.watch->Add();
  return static_cast<RunnerImpl&>(crew_.Add(std::make_unique<RunnerImpl>(*this, std::move(pass), kind)));
}

int Scheduler::AddMissing() {
  int workers = 0;
  for (auto kind = crew_.Missing(); kind.has_value(); kind = crew_.Missing()) {
    RunnerImpl& runner = AddRunner(*kind);
    runner.thread = std::thread([this, &runner] { WorkerLoop(runner); });
    workers += *kind == RunnerKind::kWorker ? 1 : 0;
  }
  return workers;
}

std::shared_ptr<Scheduler::Queue> Scheduler::AddQueue(BatchOptions options, Handler& handler) {
  options.threads = std::clamp(options.threads, 1, threads_);
  auto queue = std::make_shared<Queue>(std::move(options), handler);
  base::MutexLock lock(mutex_);
  dispatcher_.Add(*queue);
  queues_.push_back(queue);
  return queue;
}

void Scheduler::SetOptions(Queue& queue, BatchOptions options) {
  options.threads = std::clamp(options.threads, 1, threads_);
  base::MutexLock lock(mutex_);
  queue.SetOptions(std::move(options));
  WakeFor(queue);
}

// Under the lock: a thread that is preempted before it has notified would hold up those that count on it.
void Scheduler::Wake(std::optional<RunnerKind> kind, bool for_several_threads) {
  if (!kind.has_value() || crew_.WakeOne(*kind, for_several_threads) == nullptr) return;
  ++(*kind == RunnerKind::kWorker ? dispatcher_.workers() : dispatcher_.express()).waking;
}

void Scheduler::WakeFor(const Queue& queue) {
  const bool for_several = std::max(queue.options.threads, queue.options.latency.threads) > 1;
  Wake(dispatcher_.WhoWakes(queue, clock_.Now()), for_several);
}

absl::Status Scheduler::Submit(Queue& queue, std::unique_ptr<Task>& task) {
  std::vector<QueueNews> news;
  absl::Status status = Accept(queue, task, news);
  if (!news.empty()) Tell(std::move(news));
  return status;
}

absl::Status Scheduler::Accept(Queue& queue, std::unique_ptr<Task>& task, std::vector<QueueNews>& news) {
  base::MutexLock lock(mutex_);
  FERRY_RETURN_IF_ERROR(queue.Refusal());
  const base::TimePoint deadline = task->deadline;
  const base::TimePoint now = clock_.Now();
  FERRY_RETURN_IF_ERROR(CheckWait(queue, *task, std::max(1, options_.workers) + (options_.has_express ? 1 : 0), now));
  Tasks shed;
  FERRY_RETURN_IF_ERROR(queue.tasks.Push(task, now, &shed));
  if (!shed.empty()) Keep({.queue = queue.shared_from_this(), .shed = std::move(shed)}, news);
  if (this_caller.scheduler == this && IsForCaller(queue.View())) {
    if (!queue.left_to_caller.has_value()) queue.left_to_caller = now;
    this_caller.Leave(queue, 1);
  }
  dispatcher_.OnChange(queue);
  WakeFor(queue);
  SetFirstEnd(deadline);
  return absl::OkStatus();
}

void Scheduler::JoinAsCaller() {
  this_caller.scheduler = this;
  {
    base::MutexLock lock(mutex_);
    this_caller.runner = &AddRunner(RunnerKind::kCaller);
  }
  if (options_.set_threads) options_.set_threads(1);
}

bool Scheduler::HasCallerWork() const { return this_caller.scheduler == this && !this_caller.left.empty(); }

size_t Scheduler::CountCallerTasks() const { return HasCallerWork() ? this_caller.left.front().count : 0; }

void Scheduler::RunAsCaller() {
  if (!HasCallerWork()) return;
  const std::shared_ptr<Queue> queue = std::move(this_caller.left.front().queue);
  this_caller.left.erase(this_caller.left.begin());
  auto& runner = static_cast<RunnerImpl&>(*this_caller.runner);
  Carried carried;
  if (!TakeAsCaller(queue, runner, carried)) return;
  Carry(carried, runner);
  // What came meanwhile, from whatever thread, has woken no worker.
  base::MutexLock lock(mutex_);
  if (!queue->is_closed && queue->tasks.size() > 0) this_caller.Leave(*queue, queue->tasks.size());
}

void Scheduler::HandOverToWorkers() {
  this_caller.left.clear();
  base::MutexLock lock(mutex_);
  dispatcher_.EachWaiting([](DispatchQueue& queue) { queue.left_to_caller.reset(); });
  Wake(dispatcher_.WhoElseWakes(clock_.Now()));
}

bool Scheduler::TakeAsCaller(const std::shared_ptr<Queue>& queue, RunnerImpl& runner, Carried& carried) {
  base::MutexLock lock(mutex_);
  if (queue->is_closed) return false;  // its handler may be gone
  Dispatcher::Work work = dispatcher_.TakeAsCaller(*queue, clock_.Now());
  if (work.queue == nullptr) {
    WakeFor(*queue);
    return false;
  }
  carried = Assign(runner, std::move(work));
  return true;
}

absl::Status Scheduler::TakeBack(Queue& queue, Tasks& tasks, void (BatchQueue::*how)(Tasks)) {
  base::MutexLock lock(mutex_);
  FERRY_RETURN_IF_ERROR(queue.Refusal());
  for (const auto& task : tasks) SetFirstEnd(task->deadline);
  (queue.tasks.*how)(std::exchange(tasks, {}));
  dispatcher_.OnChange(queue);
  WakeFor(queue);
  return absl::OkStatus();
}

absl::Status Scheduler::Return(Queue& queue, Tasks& tasks) { return TakeBack(queue, tasks, &BatchQueue::Return); }

absl::Status Scheduler::Park(Queue& queue, Tasks& tasks) { return TakeBack(queue, tasks, &BatchQueue::Park); }

void Scheduler::Unpark(Queue& queue) {
  base::MutexLock lock(mutex_);
  queue.tasks.Unpark();
  WakeFor(queue);
}

void Scheduler::SetFirstEnd(base::TimePoint deadline) {
  if (deadline >= next_end_) return;
  next_end_ = deadline;
  timer_.Wake();
}

void Scheduler::RecheckQueues() {
  base::MutexLock lock(mutex_);
  Wake(dispatcher_.WhoElseWakes(clock_.Now()));
}

void Scheduler::Close(Queue& queue) {
  BeginClose(queue);
  HasEnded(queue, base::kNoDeadline);
}

void Scheduler::BeginClose(Queue& queue) {
  std::vector<std::unique_ptr<Task>> waiting;
  {
    base::MutexLock lock(mutex_);
    queue.is_closed = true;
    waiting = queue.tasks.TakeAll();
    dispatcher_.OnChange(queue);
  }
  for (auto& task : waiting) {
    queue.handler.Drop(std::move(task), absl::UnavailableError("the model was unloaded; try again later"));
  }
}

bool Scheduler::HasEnded(Queue& queue, base::TimePoint until) {
  base::MutexLock lock(mutex_);
  while (queue.running + queue.telling > 0) {
    if (until == base::kNoDeadline) {
      batch_ended_.Wait(mutex_);
    } else if (!batch_ended_.WaitUntil(mutex_, until) && queue.running + queue.telling > 0) {
      return false;
    }
  }
  dispatcher_.Remove(queue);
  std::erase_if(queues_, [&](const auto& candidate) { return candidate.get() == &queue; });
  return true;
}

void Scheduler::WorkerLoop(RunnerImpl& runner) {
  base::NameThisThread(runner.kind == RunnerKind::kWorker ? "worker" : "express-worker");
  {
    base::MutexLock lock(mutex_);
    runner.thread_number = base::ThisThreadNumber();
    runner.processor_clock = base::ThisThreadClock();
  }
  while (true) {
    Carried carried = NextWork(runner);
    if (carried.is_last) return;
    if (carried.queue == nullptr) {
      ReleaseTeam(runner);
      continue;
    }
    ++busy_;
    const bool goes_on = Carry(carried, runner);
    --busy_;
    if (!goes_on) return;
  }
}

Scheduler::Carried Scheduler::NextWork(RunnerImpl& runner) {
  base::MutexLock lock(mutex_);
  for (bool has_waited = false;; has_waited = true) {
    if (runner.has_to_release) return {};
    const base::TimePoint now = clock_.Now();
    base::TimePoint wake_at = base::kNoDeadline;
    const uint64_t begun = dispatcher_.begun();
    const bool is_surplus = !stopping_ && crew_.IsSurplus(runner);
    if (has_waited || !is_surplus) {
      Dispatcher::Work work = dispatcher_.Take(
          {.kind = runner.kind, .leaves_served = has_waited, .avoids_held_up = crew_.AreForOthers()}, now, wake_at);
      if (work.queue != nullptr) return Assign(runner, std::move(work));
    }
    if (stopping_) return {.is_last = true};
    if (is_surplus) {
      crew_.Leave(runner);
      Wake(dispatcher_.WhoElseWakes(now));
      return {.is_last = true};
    }
    Sleep(runner, wake_at, begun);
  }
}

void Scheduler::Sleep(RunnerImpl& runner, base::TimePoint until, uint64_t begun) {
  Dispatcher::Sleepers& sleepers = runner.kind == RunnerKind::kWorker ? dispatcher_.workers() : dispatcher_.express();
  ++sleepers.idle;
  const bool watches = !sleepers.is_watched && (dispatcher_.waiting() > 0 || begun != seen_begun_);
  if (watches) {
    sleepers.is_watched = true;
    seen_begun_ = begun;
    until = std::min(until, clock_.Now() + kWatch);
  }
  crew_.FallsAsleep(runner);
  if (until == base::kNoDeadline) {
    runner.wake.Wait(mutex_);
  } else {
    runner.wake.WaitUntil(mutex_, until);
  }
  if (watches) sleepers.is_watched = false;
  --sleepers.idle;
  if (std::exchange(runner.is_woken, false)) {
    --sleepers.waking;
  } else {
    crew_.IsAwake(runner);
  }
}

Scheduler::Carried Scheduler::Assign(RunnerImpl& runner, Dispatcher::Work work) {
  Carried carried{.queue = static_cast<Queue&>(*work.queue).shared_from_this()};
  carried.work = std::move(work);
  const Dispatcher::Work& taken = carried.work;
  runner.queue = carried.queue.get();
  runner.began = taken.started;
  runner.runs_at_latency_point = taken.is_at_latency_point;
  if (!taken.taken.batch.empty()) {
    carried.ordering_key = taken.taken.batch[0]->ordering_key;
    ++activity_;
  }
  if (runner.kind == RunnerKind::kCaller) return carried;
  if (runner.kind == RunnerKind::kWorker) runner.threads = taken.threads;
  if (taken.takes_processors) long_time_.Begin(runner.processor_clock, taken.threads);
  if (runner.threads > 1) crew_.LimitTeams(runner);
  Wake(dispatcher_.WhoElseWakes(taken.started));
  return carried;
}

void Scheduler::ReleaseTeam(RunnerImpl& runner) {
  if (options_.release_threads) options_.release_threads();
  base::MutexLock lock(mutex_);
  runner.has_to_release = false;
  runner.team = 0;
}

bool Scheduler::Carry(Carried& carried, RunnerImpl& runner) {
  Handler& handler = carried.queue->handler;
  runner.counts_processor_time = options_.processor_time != nullptr && handler.MayRunOnCaller();
  runner.computed_at.reset();
  const base::Duration began = TimeNow(runner.counts_processor_time);
  BatchQueue::Taken& taken = carried.work.taken;
  DropEnded(handler, taken);
  if (!taken.batch.empty()) {
    const int threads = carried.work.threads;
    const bool sets = options_.set_threads != nullptr && runner.kind != RunnerKind::kCaller;
    if (sets && std::exchange(runner.operator_threads, threads) != threads) options_.set_threads(threads);
    if (std::exchange(runner.has_long_turns, carried.work.is_long) != carried.work.is_long) {
      base::SetThreadSlice(carried.work.is_long ? kLongTurn : base::Duration::zero());
    }
    handler.Run(std::move(taken.batch), runner);
  }
  const base::Duration ended = TimeNow(runner.counts_processor_time);
  return End(runner, carried, {ended - began, runner.computed_at.value_or(ended) - began});
}

base::Duration Scheduler::TimeNow(bool is_processor_time) const {
  return is_processor_time ? options_.processor_time() : clock_.Now().time_since_epoch();
}

bool Scheduler::End(RunnerImpl& runner, const Carried& carried, const BatchTime& took) {
  base::MutexLock lock(mutex_);
  const base::TimePoint now = clock_.Now();
  dispatcher_.GiveThreads(std::exchange(runner.threads, 0));
  if (carried.work.takes_processors) long_time_.End(runner.processor_clock);
  dispatcher_.End(carried.work, carried.ordering_key, now, took);
  last_batch_end_ = now;
  batch_ended_.NotifyAll();
  const bool was_stuck = crew_.EndBatch(runner);
  // This thread looks next for what waited for the ordering key, for the queue's concurrency limit, or for threads. One
  // that was stuck has a low priority, which it cannot raise again: it goes, whoever took its place stays.
  if (!was_stuck || runner.kind == RunnerKind::kCaller || stopping_) return true;
  crew_.Leave(runner);
  return false;
}

bool Scheduler::DoOthersWait() const {
  bool others_wait = false;
  dispatcher_.EachWaiting([&](const DispatchQueue& queue) { others_wait |= queue.held_up == 0 && queue.stuck == 0; });
  return others_wait;
}

WorkerNews Scheduler::PlanWorkers() {
  const bool others_wait = DoOthersWait();
  WorkerNews news{.counts = crew_.SetWanted(others_wait)};
  dispatcher_.GiveThreads(crew_.TakeThreadsOfHeldUp());
  news.added = AddMissing();
  if (crew_.HasSurplusWorkers()) crew_.WakeAll();
  const bool is_none_left = IsNoneFree(crew_.Counts(others_wait)) && others_wait;
  news.is_none_left = is_none_left && !std::exchange(is_none_left_, is_none_left);
  return news;
}

std::vector<QueueNews> Scheduler::TakeNews(base::TimePoint now) {
  std::vector<QueueNews> news;
  for (const auto& queue : queues_) {
    QueueNews one{.queue = queue, .suspect = queue->stuck > 0 ? queue->suspect : absl::OkStatus()};
    one.is_suspect_news = queue->is_told != (queue->stuck > 0);
    queue->is_told = queue->stuck > 0;
    if (queue->stuck > 0) one.refused = queue->tasks.TakeAll();
    Keep(std::move(one), news);
  }
  TakeEnded(now, news);
  return news;
}

base::TimePoint Scheduler::TakeEnded(base::TimePoint now, std::vector<QueueNews>& news) {
  base::TimePoint next = base::kNoDeadline;
  std::vector<std::shared_ptr<Queue>> waiting;
  dispatcher_.EachWaiting(
      [&](DispatchQueue& queue) { waiting.push_back(static_cast<Queue&>(queue).shared_from_this()); });
  for (const auto& queue : waiting) {
    QueueNews one{.queue = queue, .ended = queue->tasks.TakeEnded(now)};
    next = std::min(next, one.ended.wake_at.value_or(base::kNoDeadline));
    Keep(std::move(one), news);
  }
  return next;
}

void Scheduler::Keep(QueueNews one, std::vector<QueueNews>& news) {
  if (one.IsEmpty()) return;
  ++one.queue->telling;
  dispatcher_.OnChange(*one.queue);
  news.push_back(std::move(one));
}

void Scheduler::Tell(std::vector<QueueNews> news) {
  for (QueueNews& one : news) {
    one.Tell();
    base::MutexLock lock(mutex_);
    --one.queue->telling;
    batch_ended_.NotifyAll();
  }
}

base::TimePoint Scheduler::DropEndedInTime() {
  std::vector<QueueNews> news;
  base::Duration sleeps{0};
  {
    base::MutexLock lock(mutex_);
    const base::TimePoint now = clock_.Now();
    if (now >= std::max(next_end_, last_look_ + kTimerApart)) {
      last_look_ = now;
      next_end_ = TakeEnded(now, news);
    }
    if (next_end_ == base::kNoDeadline) {
      sleeps = base::Duration::max();
    } else {
      sleeps = std::max(next_end_, last_look_ + kTimerApart) - now;
    }
  }
  Tell(std::move(news));
  return sleeps == base::Duration::max() ? base::kNoDeadline : base::Clock::Real().Now() + sleeps;
}

void Scheduler::LookForStuck() {
  WorkerNews workers;
  std::vector<QueueNews> news;
  std::vector<std::unique_ptr<CrewMember>> ended;
  {
    base::MutexLock lock(mutex_);
    const base::TimePoint now = clock_.Now();
    crew_.MarkHeldUp(now);
    workers = PlanWorkers();
    news = TakeNews(now);
    ended = crew_.TakeEnded();
  }
  LogWorkers(workers);
  for (const auto& member : ended) member->thread.join();
  Tell(std::move(news));
}

Scheduler::Report Scheduler::report() const {
  base::MutexLock lock(mutex_);
  return {crew_.Counts(DoOthersWait()), crew_.stuck_callers(), last_batch_end_};
}

}  // namespace torchferry::batching
