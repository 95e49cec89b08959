#include "server/batching/scheduler.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "server/base/logging.h"
#include "server/base/status.h"
#include "server/base/thread_name.h"
#include "server/base/thread_priority.h"

namespace torchferry::batching {
namespace {

// A batch that ends within about the time that it takes to wake a worker is waited for: its worker takes the rest with
// it, in one batch instead of two. Of all that have run lately the longest counts, so that a model which is only
// sometimes quick is not one.
constexpr base::Duration kQuick = std::chrono::microseconds(200);

// While anything happens one idle worker looks this often for tasks that were left to whoever should have taken them
// before: a batch that is quick as a rule may not be this time, and a caller may be held up.
constexpr base::Duration kWatch = std::chrono::milliseconds(10);

// A worker that has been in one batch for so long is held up: it may come back, and nobody should have to wait for it.
constexpr base::Duration kHeldUp = std::chrono::seconds(5);

// The timer looks no more often, however many deadlines there are.
constexpr base::Duration kTimerApart = std::chrono::milliseconds(5);

}  // namespace

// All fields are guarded by Scheduler::mutex_.
class Scheduler::Queue : public std::enable_shared_from_this<Queue> {
 public:
  Queue(BatchOptions options, Handler& task_handler)
      : threads(options.threads),
        waits(options.max_queue_delay > base::Duration::zero()),
        tasks(std::move(options)),
        handler(task_handler) {}

  // Whether as many batches run as may.
  bool IsAtMost() const {
    const int most = handler.MostAtOnce();
    return most > 0 && running >= most;
  }

  int threads;
  bool waits;  // for company
  BatchQueue tasks;
  Handler& handler;
  // Whether somebody who runs a batch should soon look for the next one.
  bool IsServed(base::TimePoint now) const {
    return running > 0 && longest <= kQuick && !started.empty() && now - *std::ranges::max_element(started) <= longest;
  }
  bool IsLeftToCaller(base::TimePoint now) const {
    return left_to_caller.has_value() && now - *left_to_caller < kWatch;
  }

  // Why it takes no tasks now.
  absl::Status Refusal() const {
    if (is_closed) return absl::UnavailableError("the model is being unloaded; try again later");
    return stuck > 0 ? suspect : absl::OkStatus();
  }

  int running = 0;                                 // calls into `handler` by runners, dropping included
  int telling = 0;                                 // by others
  std::vector<base::TimePoint> started;            // of these
  std::optional<base::TimePoint> left_to_caller;   // since when a task waits that a caller should run
  base::Duration longest = std::chrono::hours(1);  // that one took lately; fades
  bool is_closed = false;

  int stuck = 0;           // runners whose passes were given up; while there are any, the queue is suspect
  int held_up = 0;         // runners
  bool is_told = false;    // the handler knows that it is suspect
  bool was_long = false;   // a batch took so long that none runs on a caller any more
  absl::Status suspect{};  // why it is, or was last
};

// A thread that runs batches. Its fields are guarded by Scheduler::mutex_, but for the pass.
class Scheduler::RunnerImpl final : public Runner {
 public:
  RunnerImpl(Scheduler& scheduler, std::shared_ptr<base::Pass> pass, bool worker)
      : is_worker(worker), scheduler_(scheduler), pass_(std::move(pass)) {}

  base::Pass& pass() override { return *pass_; }
  bool is_at_latency_point() const override { return false; }

  void SetStuck(const absl::Status& why) override {
    base::MutexLock lock(scheduler_.mutex_);
    is_stuck = true;
    if (std::exchange(is_held_up, false)) {
      --queue->held_up;
      if (is_worker) --scheduler_.held_up_;
    }
    ++queue->stuck;
    queue->was_long = true;
    queue->suspect = why;
    ++(is_worker ? scheduler_.stuck_ : scheduler_.stuck_callers_);
    scheduler_.free_threads_ += std::exchange(threads, 0);
    if (is_worker) base::LowerPriority(thread_number);
  }

  const bool is_worker;
  std::thread thread;            // of a worker
  int thread_number = 0;         // the kernel's
  std::shared_ptr<Queue> queue;  // whose batch it runs; null: none
  base::TimePoint began{};       // that
  int threads = 0;               // that it has taken
  bool is_held_up = false;
  bool is_stuck = false;

 private:
  Scheduler& scheduler_;
  const std::shared_ptr<base::Pass> pass_;
};

// What a worker carries out of the lock.
struct Scheduler::Work {
  std::shared_ptr<Queue> queue;  // null: stop
  BatchQueue::Taken taken;
  int threads = 0;  // that it has taken
  base::TimePoint started{};
  bool wakes_another = false;
};

namespace {

// A thread that has joined, and what it has submitted since it last ran.
struct Caller {
  const Scheduler* scheduler = nullptr;
  Scheduler::Runner* runner = nullptr;
  std::vector<std::shared_ptr<Scheduler::Queue>> queues;
};
thread_local Caller this_caller;

}  // namespace

struct Scheduler::News {
  std::shared_ptr<Queue> queue;
  bool is_suspect_news = false;  // the handler is to hear of `suspect`
  absl::Status suspect{};
  BatchQueue::Taken ended{};
  std::vector<std::unique_ptr<Task>> refused{};
};

Scheduler::Scheduler(Options options, const base::Clock& clock) : options_(std::move(options)), clock_(clock) {
  {
    base::MutexLock lock(mutex_);
    free_threads_ = std::max({1, options_.workers, options_.threads});
    wanted_ = std::max(1, options_.workers);
    last_batch_end_ = clock_.Now();
    while (alive_ < wanted_) AddWorker();
  }
  if (options_.watch != nullptr) subscription_ = options_.watch->OnLook([this] { LookForStuck(); });
  timer_.Start();
}

Scheduler::~Scheduler() {
  timer_.Stop();
  if (options_.watch != nullptr) options_.watch->Unsubscribe(subscription_);
  std::vector<std::unique_ptr<RunnerImpl>> runners;
  {
    base::MutexLock lock(mutex_);
    stopping_ = true;
    work_available_.NotifyAll();
    runners = std::exchange(ended_, {});
  }
  for (const auto& runner : runners) runner->thread.join();
  while (true) {
    std::unique_ptr<RunnerImpl> last;
    {
      base::MutexLock lock(mutex_);
      std::erase_if(runners_, [](const auto& runner) { return !runner->is_worker; });
      if (runners_.empty()) break;
      last = std::move(runners_.back());
      runners_.pop_back();
    }
    last->thread.join();
  }
}

Scheduler::RunnerImpl& Scheduler::AddRunner(bool is_worker) {
  auto pass = options_.watch == nullptr ? std::make_shared<base::Pass>() : options_.watch->Add();
  return *runners_.emplace_back(std::make_unique<RunnerImpl>(*this, std::move(pass), is_worker));
}

void Scheduler::AddWorker() {
  ++alive_;
  RunnerImpl& runner = AddRunner(/*is_worker=*/true);
  runner.thread = std::thread([this, &runner] { WorkerLoop(runner); });
}

std::shared_ptr<Scheduler::Queue> Scheduler::AddQueue(BatchOptions options, Handler& handler) {
  options.threads = std::clamp(options.threads, 1, std::max({1, options_.workers, options_.threads}));
  auto queue = std::make_shared<Queue>(std::move(options), handler);
  base::MutexLock lock(mutex_);
  queues_.push_back(queue);
  return queue;
}

absl::Status Scheduler::Submit(Queue& queue, std::unique_ptr<Task>& task) {
  bool wakes = false;
  bool wakes_timer = false;
  {
    base::MutexLock lock(mutex_);
    FERRY_RETURN_IF_ERROR(queue.Refusal());
    const base::TimePoint deadline = task->deadline;
    FERRY_RETURN_IF_ERROR(queue.tasks.Push(task, clock_.Now()));
    wakes_timer = IsFirstToEnd(deadline);
    if (this_caller.scheduler == this && IsForCaller(queue)) {
      if (!queue.left_to_caller.has_value()) queue.left_to_caller = clock_.Now();
      wakes = Added(queue, 1);
      const bool is_known =
          std::ranges::any_of(this_caller.queues, [&](const auto& known) { return known.get() == &queue; });
      if (!is_known) this_caller.queues.push_back(queue.shared_from_this());
    } else {
      wakes = Added(queue, 1);
    }
  }
  if (wakes) work_available_.NotifyOne();
  if (wakes_timer) timer_.Wake();
  return absl::OkStatus();
}

void Scheduler::SetOptions(Queue& queue, BatchOptions options) {
  options.threads = std::clamp(options.threads, 1, std::max({1, options_.workers, options_.threads}));
  base::MutexLock lock(mutex_);
  queue.threads = options.threads;
  queue.waits = options.max_queue_delay > base::Duration::zero();
  queue.tasks.SetOptions(std::move(options));
}

void Scheduler::JoinAsCaller() {
  this_caller.scheduler = this;
  {
    base::MutexLock lock(mutex_);
    this_caller.runner = &AddRunner(/*is_worker=*/false);
  }
  if (options_.set_threads) options_.set_threads(1);
}

bool Scheduler::HasCallerWork() const { return this_caller.scheduler == this && !this_caller.queues.empty(); }

void Scheduler::RunAsCaller() {
  if (!HasCallerWork()) return;
  auto& runner = static_cast<RunnerImpl&>(*this_caller.runner);
  for (const std::shared_ptr<Queue>& queue : std::exchange(this_caller.queues, {})) {
    Work work;
    if (!TakeAsCaller(queue, runner, work)) continue;
    int threads = 0;  // those of this thread, which stay as they are
    const uint64_t lane = work.taken.batch.empty() ? 0 : work.taken.batch[0]->lane;
    Carry(work, runner, threads);
    End(runner, work, lane);
    // What came meanwhile, from whatever thread, has woken no worker.
    base::MutexLock lock(mutex_);
    if (!queue->is_closed && queue->tasks.size() > 0) this_caller.queues.push_back(queue);
  }
}

void Scheduler::HandOverToWorkers() {
  this_caller.queues.clear();
  base::MutexLock lock(mutex_);
  for (const auto& queue : queues_) queue->left_to_caller.reset();
  work_available_.NotifyAll();
}

bool Scheduler::IsForCaller(const Queue& queue) const {
  return queue.longest <= kQuick && queue.running == 0 && queue.threads == 1 && !queue.waits && !queue.was_long &&
         queue.handler.MayRunOnCaller();
}

bool Scheduler::TakeAsCaller(const std::shared_ptr<Queue>& queue, RunnerImpl& runner, Work& work) {
  bool wakes = false;
  {
    base::MutexLock lock(mutex_);
    const base::TimePoint now = clock_.Now();
    queue->left_to_caller.reset();
    if (queue->is_closed || queue->tasks.size() == 0) return false;
    if (IsForCaller(*queue)) {
      work = {queue, queue->tasks.Take(now), 0, now, false};
      const BatchQueue::Taken& taken = work.taken;
      if (taken.batch.empty() && taken.expired.empty() && taken.cancelled.empty())
        return false;  // all that waits is parked
      Begin(queue, runner, taken, now, /*threads=*/0);
      return true;
    }
    wakes = Added(*queue, 0);
  }
  if (wakes) work_available_.NotifyOne();
  return false;
}

absl::Status Scheduler::Return(Queue& queue, std::vector<std::unique_ptr<Task>>& tasks) {
  base::MutexLock lock(mutex_);
  FERRY_RETURN_IF_ERROR(queue.Refusal());
  const size_t count = tasks.size();
  bool wakes_timer = false;
  for (const auto& task : tasks) wakes_timer |= IsFirstToEnd(task->deadline);
  if (wakes_timer) timer_.Wake();
  queue.tasks.Return(std::exchange(tasks, {}));
  if (Added(queue, count)) work_available_.NotifyOne();
  return absl::OkStatus();
}

absl::Status Scheduler::Park(Queue& queue, std::vector<std::unique_ptr<Task>>& tasks) {
  base::MutexLock lock(mutex_);
  FERRY_RETURN_IF_ERROR(queue.Refusal());
  const size_t count = tasks.size();
  bool wakes_timer = false;
  for (const auto& task : tasks) wakes_timer |= IsFirstToEnd(task->deadline);
  if (wakes_timer) timer_.Wake();
  queue.tasks.Park(std::exchange(tasks, {}));
  if (Added(queue, count)) work_available_.NotifyOne();  // somebody has to wake when they expire
  return absl::OkStatus();
}

void Scheduler::Unpark(Queue& queue) {
  base::MutexLock lock(mutex_);
  queue.tasks.Unpark();
  if (Added(queue, 0)) work_available_.NotifyOne();
}

bool Scheduler::Added(Queue& queue, size_t tasks) {
  waiting_ += tasks;
  queue.handler.OnDepth(static_cast<int64_t>(queue.tasks.size()));
  if (idle_ == 0 || waking_ > 0 || (is_watched_ && !WantsWorker(queue, clock_.Now()))) return false;
  ++waking_;
  return true;
}

bool Scheduler::IsFirstToEnd(base::TimePoint deadline) {
  if (deadline >= next_end_) return false;
  next_end_ = deadline;
  return true;
}

// One at a time: it takes what has come until then, and wakes the next if that was not all.
bool Scheduler::WakesAnother() {
  if (idle_ == 0 || waking_ > 0 || waiting_ == 0) return false;
  const base::TimePoint now = clock_.Now();
  const bool is_wanted = !is_watched_ || AnyWantsWorker(now);
  waking_ += is_wanted ? 1 : 0;
  return is_wanted;
}

// Whether what waits there should not wait for a worker that is busy.
bool Scheduler::WantsWorker(const Queue& queue, base::TimePoint now) const {
  return !queue.IsAtMost() && !queue.IsServed(now) && !queue.IsLeftToCaller(now);
}

bool Scheduler::AnyWantsWorker(base::TimePoint now) const {
  for (const auto& queue : queues_) {
    if (queue->tasks.size() > 0 && WantsWorker(*queue, now)) return true;
  }
  return false;
}

void Scheduler::LookAgain() {
  base::MutexLock lock(mutex_);
  if (idle_ == 0 || waking_ > 0 || waiting_ == 0) return;
  ++waking_;
  work_available_.NotifyOne();
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
    waiting_ -= waiting.size();
    queue.handler.OnDepth(0);
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
  std::erase_if(queues_, [&](const auto& candidate) { return candidate.get() == &queue; });
  return true;
}

void Scheduler::WorkerLoop(RunnerImpl& runner) {
  base::NameThisThread("worker");
  {
    base::MutexLock lock(mutex_);
    runner.thread_number = base::ThisThreadNumber();
  }
  int threads = 0;  // of an operator of this worker, as set last
  while (true) {
    Work work = NextWork(runner);
    if (work.wakes_another) work_available_.NotifyOne();
    if (work.queue == nullptr) return;
    const uint64_t lane = work.taken.batch.empty() ? 0 : work.taken.batch[0]->lane;
    ++busy_;
    Carry(work, runner, threads);
    --busy_;
    if (!End(runner, work, lane)) return;
  }
}

bool Scheduler::End(RunnerImpl& runner, const Work& work, uint64_t lane) {
  base::MutexLock lock(mutex_);
  Queue& queue = *work.queue;
  const base::TimePoint now = clock_.Now();
  --queue.running;
  queue.started.erase(std::ranges::find(queue.started, work.started));
  queue.tasks.EndLane(lane);
  free_threads_ += std::exchange(runner.threads, 0);
  queue.longest = std::max(now - work.started, queue.longest - queue.longest / 8);
  last_batch_end_ = now;
  batch_ended_.NotifyAll();
  const bool was_stuck = runner.is_stuck;
  if (runner.is_held_up || runner.is_stuck) EndStuck(runner);
  runner.queue = nullptr;
  // This worker looks next for what waited for the lane, for the queue's concurrency limit, or for threads. One that
  // was stuck has a low priority, which it cannot raise again: it goes, whoever took its place stays.
  if (!was_stuck || !runner.is_worker || stopping_) return true;
  Leave(runner);
  return false;
}

void Scheduler::EndStuck(RunnerImpl& runner) {
  Queue& queue = *runner.queue;
  if (std::exchange(runner.is_held_up, false)) {
    --queue.held_up;
    if (runner.is_worker) --held_up_;
  }
  if (!std::exchange(runner.is_stuck, false)) return;
  --queue.stuck;
  --(runner.is_worker ? stuck_ : stuck_callers_);
}

// Its thread is about to end.
void Scheduler::Leave(RunnerImpl& runner) {
  --alive_;
  const auto it = std::ranges::find(runners_, &runner, [](const auto& one) { return one.get(); });
  ended_.push_back(std::move(*it));
  runners_.erase(it);
}

void Scheduler::DropEnded(Handler& handler, BatchQueue::Taken& taken) {
  for (auto& task : taken.expired) {
    handler.Drop(std::move(task), absl::DeadlineExceededError("the deadline passed while the request waited in "
                                                              "the queue; it was not run"));
  }
  for (auto& task : taken.cancelled) {
    handler.Drop(std::move(task), absl::CancelledError("the caller went away; the request was not run"));
  }
}

void Scheduler::Carry(Work& work, RunnerImpl& runner, int& threads) {
  Handler& handler = work.queue->handler;
  DropEnded(handler, work.taken);
  if (work.taken.batch.empty()) return;
  if (options_.set_threads && std::exchange(threads, work.threads) != work.threads) options_.set_threads(work.threads);
  handler.Run(std::move(work.taken.batch), runner);
}

bool Scheduler::IsSurplus() const { return !stopping_ && alive_ > wanted_; }

Scheduler::Work Scheduler::NextWork(RunnerImpl& runner) {
  base::MutexLock lock(mutex_);
  for (bool has_waited = false;; has_waited = true) {
    Work work;
    base::TimePoint wake_at = base::kNoDeadline;
    const uint64_t begun = begun_;
    const bool goes = !has_waited && IsSurplus();  // nobody counts on it
    if (!goes && TakeDueLocked(work, runner, wake_at, has_waited)) {
      work.wakes_another = WakesAnother();
      return work;
    }
    if (stopping_) return work;
    if (IsSurplus()) {
      Leave(runner);
      work.wakes_another = WakesAnother();
      return work;
    }
    ++idle_;
    const bool watches = !is_watched_ && (waiting_ > 0 || begun != seen_begun_);
    if (watches) {
      is_watched_ = true;
      seen_begun_ = begun;
      wake_at = std::min(wake_at, clock_.Now() + kWatch);
    }
    if (wake_at == base::kNoDeadline) {
      work_available_.Wait(mutex_);
    } else {
      work_available_.WaitUntil(mutex_, wake_at);
    }
    if (watches) is_watched_ = false;
    --idle_;
    if (waking_ > 0) --waking_;
  }
}

void Scheduler::Begin(const std::shared_ptr<Queue>& queue, RunnerImpl& runner, const BatchQueue::Taken& taken,
                      base::TimePoint now, int threads) {
  ++queue->running;
  ++begun_;
  queue->started.push_back(now);
  waiting_ -= taken.batch.size() + taken.expired.size() + taken.cancelled.size();
  queue->handler.OnDepth(static_cast<int64_t>(queue->tasks.size()));
  free_threads_ -= threads;
  runner.queue = queue;
  runner.began = now;
  runner.threads = threads;
}

bool Scheduler::TakeDueLocked(Work& work, RunnerImpl& runner, base::TimePoint& wake_at, bool leaves_served) {
  const base::TimePoint now = clock_.Now();
  const bool is_for_others = alive_ > std::max(1, options_.workers) + stuck_;  // than those that are held up
  for (size_t i = 0; i < queues_.size(); ++i) {
    const size_t index = (next_queue_ + i) % queues_.size();
    Queue& queue = *queues_[index];
    if (queue.tasks.size() == 0) continue;
    if (queue.IsLeftToCaller(now) || (leaves_served && queue.IsServed(now))) continue;
    const bool may_run = !queue.IsAtMost() && queue.stuck == 0 && !(is_for_others && queue.held_up > 0);
    if (may_run && queue.threads > free_threads_ && queue.tasks.HasDue(now)) {
      if (i == 0) return false;  // its turn: what becomes free is for it
      continue;
    }
    BatchQueue::Taken taken = may_run ? queue.tasks.Take(now) : queue.tasks.TakeEnded(now);
    if (taken.batch.empty() && taken.expired.empty() && taken.cancelled.empty()) {
      if (taken.wake_at.has_value()) wake_at = std::min(wake_at, *taken.wake_at);
      continue;
    }
    const int threads = taken.batch.empty() ? 0 : queue.threads;
    Begin(queues_[index], runner, taken, now, threads);
    next_queue_ = index + 1;
    work = {queues_[index], std::move(taken), threads, now, false};
    return true;
  }
  return false;
}

WorkerCounts Scheduler::Counts() const {
  WorkerCounts counts{.planned = std::max(1, options_.workers),
                      .most_extra = options_.most_extra_workers,
                      .alive = alive_,
                      .stuck = stuck_,
                      .held_up = held_up_};
  counts.others_wait = std::ranges::any_of(
      queues_, [](const auto& queue) { return queue->tasks.size() > 0 && queue->held_up == 0 && queue->stuck == 0; });
  return counts;
}

void Scheduler::MarkHeldUp(base::TimePoint now) {
  for (const auto& runner : runners_) {
    const bool is_new =
        runner->queue != nullptr && !runner->is_held_up && !runner->is_stuck && now - runner->began >= kHeldUp;
    if (!is_new) continue;
    runner->is_held_up = true;
    ++runner->queue->held_up;
    runner->queue->was_long = true;
    if (runner->is_worker) ++held_up_;
  }
}

Scheduler::WorkerNews Scheduler::PlanWorkers() {
  const WorkerCounts counts = Counts();
  wanted_ = WorkersWanted(counts);
  const bool is_for_others = wanted_ > counts.planned + counts.stuck;
  for (const auto& runner : runners_) {
    // Those that wait need threads for their operators, too.
    if (is_for_others && runner->is_held_up) free_threads_ += std::exchange(runner->threads, 0);
  }
  WorkerNews news{.counts = counts, .added = std::max(0, wanted_ - alive_)};
  while (alive_ < wanted_) AddWorker();
  if (alive_ > wanted_) work_available_.NotifyAll();
  const bool is_none_left = IsNoneFree(Counts()) && counts.others_wait;
  news.is_none_left = is_none_left && !std::exchange(is_none_left_, is_none_left);
  return news;
}

std::vector<Scheduler::News> Scheduler::TakeNews(base::TimePoint now) {
  std::vector<News> news;
  for (const auto& queue : queues_) {
    News one{.queue = queue, .suspect = queue->stuck > 0 ? queue->suspect : absl::OkStatus()};
    one.is_suspect_news = queue->is_told != (queue->stuck > 0);
    queue->is_told = queue->stuck > 0;
    if (queue->stuck > 0) one.refused = queue->tasks.TakeAll();
    Keep(std::move(one), news);
  }
  TakeEnded(now, news);
  return news;
}

base::TimePoint Scheduler::TakeEnded(base::TimePoint now, std::vector<News>& news) {
  base::TimePoint next = base::kNoDeadline;
  for (const auto& queue : queues_) {
    if (queue->tasks.size() == 0) continue;
    News one{.queue = queue, .ended = queue->tasks.TakeEnded(now)};
    next = std::min(next, one.ended.wake_at.value_or(base::kNoDeadline));
    Keep(std::move(one), news);
  }
  return next;
}

void Scheduler::Keep(News one, std::vector<News>& news) {
  const size_t dropped = one.refused.size() + one.ended.expired.size() + one.ended.cancelled.size();
  if (dropped == 0 && !one.is_suspect_news) return;
  Queue& queue = *one.queue;
  waiting_ -= dropped;
  ++queue.telling;
  if (dropped > 0) queue.handler.OnDepth(static_cast<int64_t>(queue.tasks.size()));
  news.push_back(std::move(one));
}

void Scheduler::Tell(std::vector<News> news) {
  for (News& one : news) {
    Handler& handler = one.queue->handler;
    if (one.is_suspect_news) handler.OnSuspect(one.suspect);
    for (auto& task : one.refused) handler.Drop(std::move(task), one.suspect);
    DropEnded(handler, one.ended);
    base::MutexLock lock(mutex_);
    --one.queue->telling;
    batch_ended_.NotifyAll();
  }
}

base::TimePoint Scheduler::DropEndedInTime() {
  std::vector<News> news;
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

void Scheduler::Log(const WorkerNews& news) {
  const WorkerCounts& counts = news.counts;
  if (news.added > 0) {
    base::LogWarning("workers added", {{"added", news.added},
                                       {"stuck", counts.stuck},
                                       {"held_up", counts.held_up},
                                       {"most", counts.planned + counts.most_extra}});
  }
  if (news.is_none_left) {
    base::LogError("no worker is left",
                   {{"workers", counts.alive}, {"stuck", counts.stuck}, {"held_up", counts.held_up}});
  }
}

void Scheduler::LookForStuck() {
  WorkerNews workers;
  std::vector<News> news;
  std::vector<std::unique_ptr<RunnerImpl>> ended;
  {
    base::MutexLock lock(mutex_);
    const base::TimePoint now = clock_.Now();
    MarkHeldUp(now);
    workers = PlanWorkers();
    news = TakeNews(now);
    ended = std::exchange(ended_, {});
  }
  Log(workers);
  for (const auto& runner : ended) runner->thread.join();
  Tell(std::move(news));
}

Scheduler::Report Scheduler::report() const {
  base::MutexLock lock(mutex_);
  return {Counts(), stuck_callers_, last_batch_end_};
}

}  // namespace torchferry::batching
