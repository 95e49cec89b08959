#include "server/batching/scheduler.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "server/base/status.h"
#include "server/base/thread_name.h"

namespace torchferry::batching {
namespace {

// A batch that ends within about the time that it takes to wake a worker is waited for: its worker takes the rest with
// it, in one batch instead of two. Of all that have run lately the longest counts, so that a model which is only
// sometimes quick is not one.
constexpr base::Duration kQuick = std::chrono::microseconds(200);

// While anything happens one idle worker looks this often for tasks that were left to whoever should have taken them
// before: a batch that is quick as a rule may not be this time, and a caller may be held up.
constexpr base::Duration kWatch = std::chrono::milliseconds(10);

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

  const int threads;
  const bool waits;  // for company
  BatchQueue tasks;
  Handler& handler;
  // Whether somebody who runs a batch should soon look for the next one.
  bool IsServed(base::TimePoint now) const {
    return running > 0 && longest <= kQuick && !started.empty() && now - *std::ranges::max_element(started) <= longest;
  }
  bool IsLeftToCaller(base::TimePoint now) const {
    return left_to_caller.has_value() && now - *left_to_caller < kWatch;
  }

  int running = 0;                                 // calls into `handler`, dropping included
  std::vector<base::TimePoint> started;            // of these
  std::optional<base::TimePoint> left_to_caller;   // since when a task waits that a caller should run
  base::Duration longest = std::chrono::hours(1);  // that one took lately; fades
  bool is_closed = false;
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
  std::vector<std::shared_ptr<Scheduler::Queue>> queues;
};
thread_local Caller this_caller;

}  // namespace

Scheduler::Scheduler(Options options, const base::Clock& clock) : options_(std::move(options)), clock_(clock) {
  free_threads_ = std::max({1, options_.workers, options_.threads});
  for (int i = 0; i < std::max(1, options_.workers); ++i) {
    workers_.emplace_back([this] { WorkerLoop(); });
  }
}

Scheduler::~Scheduler() {
  {
    base::MutexLock lock(mutex_);
    stopping_ = true;
    work_available_.NotifyAll();
  }
  for (std::thread& worker : workers_) worker.join();
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
  {
    base::MutexLock lock(mutex_);
    if (queue.is_closed) return absl::UnavailableError("the model is being unloaded; try again later");
    FERRY_RETURN_IF_ERROR(queue.tasks.Push(task, clock_.Now()));
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
  return absl::OkStatus();
}

void Scheduler::JoinAsCaller() {
  this_caller.scheduler = this;
  if (options_.set_threads) options_.set_threads(1);
}

bool Scheduler::HasCallerWork() const { return this_caller.scheduler == this && !this_caller.queues.empty(); }

void Scheduler::RunAsCaller() {
  for (const std::shared_ptr<Queue>& queue : std::exchange(this_caller.queues, {})) {
    Work work;
    if (!TakeAsCaller(queue, work)) continue;
    int threads = 0;  // those of this thread, which stay as they are
    const uint64_t lane = work.taken.batch.empty() ? 0 : work.taken.batch[0]->lane;
    Carry(work, threads);
    End(work, lane);
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
  return queue.longest <= kQuick && queue.running == 0 && queue.threads == 1 && !queue.waits &&
         queue.handler.MayRunOnCaller();
}

bool Scheduler::TakeAsCaller(const std::shared_ptr<Queue>& queue, Work& work) {
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
      Begin(*queue, taken, now);
      return true;
    }
    wakes = Added(*queue, 0);
  }
  if (wakes) work_available_.NotifyOne();
  return false;
}

absl::Status Scheduler::Return(Queue& queue, std::vector<std::unique_ptr<Task>>& tasks) {
  base::MutexLock lock(mutex_);
  if (queue.is_closed) return absl::UnavailableError("the model is being unloaded; try again later");
  const size_t count = tasks.size();
  queue.tasks.Return(std::exchange(tasks, {}));
  if (Added(queue, count)) work_available_.NotifyOne();
  return absl::OkStatus();
}

absl::Status Scheduler::Park(Queue& queue, std::vector<std::unique_ptr<Task>>& tasks) {
  base::MutexLock lock(mutex_);
  if (queue.is_closed) return absl::UnavailableError("the model is being unloaded; try again later");
  const size_t count = tasks.size();
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
  base::MutexLock lock(mutex_);
  while (queue.running > 0) batch_ended_.Wait(mutex_);
  std::erase_if(queues_, [&](const auto& candidate) { return candidate.get() == &queue; });
}

void Scheduler::WorkerLoop() {
  base::NameThisThread("worker");
  int threads = 0;  // of an operator of this worker, as set last
  while (true) {
    Work work = NextWork();
    if (work.queue == nullptr) return;
    const uint64_t lane = work.taken.batch.empty() ? 0 : work.taken.batch[0]->lane;
    if (work.wakes_another) work_available_.NotifyOne();
    ++busy_;
    Carry(work, threads);
    --busy_;
    End(work, lane);
  }
}

void Scheduler::End(const Work& work, uint64_t lane) {
  base::MutexLock lock(mutex_);
  Queue& queue = *work.queue;
  --queue.running;
  queue.started.erase(std::ranges::find(queue.started, work.started));
  queue.tasks.EndLane(lane);
  free_threads_ += work.threads;
  queue.longest = std::max(clock_.Now() - work.started, queue.longest - queue.longest / 8);
  batch_ended_.NotifyAll();
  // This worker looks next for what waited for the lane, for the queue's concurrency limit, or for threads.
}

void Scheduler::Carry(Work& work, int& threads) {
  Handler& handler = work.queue->handler;
  for (auto& task : work.taken.expired) {
    handler.Drop(std::move(task), absl::DeadlineExceededError("the deadline passed while the request waited in "
                                                              "the queue; it was not run"));
  }
  for (auto& task : work.taken.cancelled) {
    handler.Drop(std::move(task), absl::CancelledError("the caller went away; the request was not run"));
  }
  if (work.taken.batch.empty()) return;
  if (options_.set_threads && std::exchange(threads, work.threads) != work.threads) options_.set_threads(work.threads);
  handler.Run(std::move(work.taken.batch));
}

Scheduler::Work Scheduler::NextWork() {
  base::MutexLock lock(mutex_);
  for (bool has_waited = false;; has_waited = true) {
    Work work;
    base::TimePoint wake_at = base::kNoDeadline;
    const uint64_t begun = begun_;
    if (TakeDueLocked(work, wake_at, has_waited)) {
      work.wakes_another = WakesAnother();
      return work;
    }
    if (stopping_) return work;
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

void Scheduler::Begin(Queue& queue, const BatchQueue::Taken& taken, base::TimePoint now) {
  ++queue.running;
  ++begun_;
  queue.started.push_back(now);
  waiting_ -= taken.batch.size() + taken.expired.size() + taken.cancelled.size();
  queue.handler.OnDepth(static_cast<int64_t>(queue.tasks.size()));
}

bool Scheduler::TakeDueLocked(Work& work, base::TimePoint& wake_at, bool leaves_served) {
  const base::TimePoint now = clock_.Now();
  waits_for_threads_ = false;
  for (size_t i = 0; i < queues_.size(); ++i) {
    const size_t index = (next_queue_ + i) % queues_.size();
    Queue& queue = *queues_[index];
    if (queue.tasks.size() == 0) continue;
    if (queue.IsLeftToCaller(now) || (leaves_served && queue.IsServed(now))) continue;
    const bool may_run = !queue.IsAtMost();
    if (may_run && queue.threads > free_threads_ && queue.tasks.HasDue(now)) {
      waits_for_threads_ = true;
      if (i == 0) return false;  // its turn: what becomes free is for it
      continue;
    }
    BatchQueue::Taken taken = may_run ? queue.tasks.Take(now) : queue.tasks.TakeEnded(now);
    if (taken.batch.empty() && taken.expired.empty() && taken.cancelled.empty()) {
      if (taken.wake_at.has_value()) wake_at = std::min(wake_at, *taken.wake_at);
      continue;
    }
    const int threads = taken.batch.empty() ? 0 : queue.threads;
    free_threads_ -= threads;
    Begin(queue, taken, now);
    next_queue_ = index + 1;
    work = {queues_[index], std::move(taken), threads, now, false};
    return true;
  }
  return false;
}

}  // namespace torchferry::batching
