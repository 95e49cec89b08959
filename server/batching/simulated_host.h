// A simulated host with any number of processors, for the tests. Its threads ask a Dispatcher for work, as Scheduler's
// do. Time passes only between events.
#pragma once

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <queue>
#include <random>
#include <utility>
#include <vector>

#include "server/batching/dispatcher.h"
#include "server/batching/test_tasks.h"

namespace torchferry::batching {

// A model and its clients.
struct SimulatedLoad {
  BatchOptions options;
  base::Duration batch{std::chrono::milliseconds(1)};  // time of a batch with one thread
  double spread = 0;                                   // random share by which that varies
  double rate = 0;                                     // requests per second, at random times; 0: a closed loop
  int clients = 0;                                     // of the closed loop
  bool is_on_cpu = true;
  double high = 0;             // share of requests with priority 1; the others have 2; for queues with levels
  base::Duration deadline{0};  // of priority 2, from arrival; zero: no deadline
};

class SimulatedHost {
 public:
  struct Result {
    int64_t answered = 0;
    base::Duration longest_wait{0};  // of a request, until its batch began
    base::Duration total_wait{0};
    base::Duration thread_time{0};  // time of its batches, times their threads
    int64_t batches = 0;
    int64_t at_latency_point = 0;
    struct Level {
      int64_t came = 0;
      int64_t answered = 0;
      int64_t shed = 0;     // gave way to a request of a higher priority
      int64_t refused = 0;  // because the queue was full
      int64_t expired = 0;
      base::Duration longest_wait{0};
    };
    std::array<Level, 3> levels;  // by priority
  };

  // `long_time`: see Dispatcher.
  SimulatedHost(int workers, std::vector<SimulatedLoad> loads, unsigned seed,
                std::function<base::Duration()> long_time = nullptr)
      : dispatcher_(workers, std::move(long_time)), random_(seed), loads_(std::move(loads)), results_(loads_.size()) {
    for (const SimulatedLoad& load : loads_) {
      owners_.push_back(std::make_unique<Owner>(load.is_on_cpu));
      queues_.push_back(std::make_unique<DispatchQueue>(load.options, *owners_.back()));
      dispatcher_.Add(*queues_.back());
    }
    for (int i = 0; i < workers; ++i) threads_.push_back({RunnerKind::kWorker});
    threads_.push_back({RunnerKind::kExpress});
    for (size_t thread = 0; thread < threads_.size(); ++thread) FallAsleep(thread, base::kNoDeadline);
  }

  // Simulates the first `time` and returns the results. To be called once.
  const std::vector<Result>& Run(base::Duration time) {
    for (size_t load = 0; load < loads_.size(); ++load) {
      for (int i = 0; i < loads_[load].clients; ++i) At(now_, [this, load] { Arrive(load); });
      if (loads_[load].rate > 0) At(now_ + Gap(load), [this, load] { ArriveAtRandom(load); });
    }
    const base::TimePoint end = now_ + time;
    while (!events_.empty() && events_.top().time < end) {
      const Event event = events_.top();
      events_.pop();
      now_ = event.time;
      event.happens();
    }
    // Requests that still wait at the end count, too.
    for (size_t load = 0; load < loads_.size(); ++load) {
      for (const auto& task : queues_[load]->tasks.TakeAll())
        results_[load].longest_wait = std::max(results_[load].longest_wait, end - task->enqueued);
    }
    return results_;
  }

  // The longest time for which a due batch did not run although a worker slept and threads were free.
  base::Duration longest_neglect() const { return longest_neglect_; }

 private:
  static constexpr base::Duration kWakeUp = std::chrono::microseconds(50);

  struct Event {
    base::TimePoint time;
    uint64_t number;  // events of the same time happen in this order
    std::function<void()> happens;
    bool operator<(const Event& other) const { return std::pair(time, number) > std::pair(other.time, other.number); }
  };
  struct Thread {
    RunnerKind kind;
    bool is_asleep = false;
    bool is_woken = false;
    bool watches = false;
    uint64_t sleep = 0;  // counts its sleeps
  };
  class Owner final : public QueueOwner {
   public:
    explicit Owner(bool is_on_cpu) : is_on_cpu_(is_on_cpu) {}
    void OnDepth(int64_t) override {}
    bool MayRunOnCaller() const override { return is_on_cpu_; }

   private:
    const bool is_on_cpu_;
  };

  void At(base::TimePoint time, std::function<void()> happens) {
    events_.push({time, ++event_number_, std::move(happens)});
  }

  base::Duration Gap(size_t load) {
    return std::chrono::duration_cast<base::Duration>(
        std::chrono::duration<double>(std::exponential_distribution<double>(loads_[load].rate)(random_)));
  }

  void ArriveAtRandom(size_t load) {
    Arrive(load);
    At(now_ + Gap(load), [this, load] { ArriveAtRandom(load); });
  }

  void Arrive(size_t load) {
    std::unique_ptr<Task> task = std::make_unique<FakeTask>();
    DispatchQueue& queue = *queues_[load];
    std::array<Result::Level, 3>& levels = results_[load].levels;
    if (queue.options.priority_levels > 1) {
      task->priority = std::bernoulli_distribution(loads_[load].high)(random_) ? 1 : 2;
      if (task->priority == 2 && loads_[load].deadline > base::Duration::zero())
        task->deadline = now_ + loads_[load].deadline;
    }
    Result::Level& level = levels.at(task->priority);
    ++level.came;
    std::vector<std::unique_ptr<Task>> shed;
    if (!queue.tasks.Push(task, now_, &shed).ok()) {
      ++level.refused;
      return;
    }
    for (const auto& one : shed) ++levels.at(one->priority).shed;
    dispatcher_.OnChange(queue);
    Wake(dispatcher_.WhoWakes(queue, now_));
    NoteNeglect();
  }

  Dispatcher::Sleepers& SleepersOf(RunnerKind kind) {
    return kind == RunnerKind::kWorker ? dispatcher_.workers() : dispatcher_.express();
  }

  void Wake(std::optional<RunnerKind> kind) {
    if (!kind.has_value()) return;
    for (size_t i = threads_.size(); i-- > 0;) {
      Thread& thread = threads_[i];
      if (thread.kind != *kind || !thread.is_asleep || thread.is_woken) continue;
      thread.is_woken = true;
      ++SleepersOf(*kind).waking;
      At(now_ + kWakeUp, [this, i, sleep = thread.sleep] { WakeUp(i, sleep); });
      return;
    }
  }

  void FallAsleep(size_t index, base::TimePoint until) {
    Thread& thread = threads_[index];
    Dispatcher::Sleepers& sleepers = SleepersOf(thread.kind);
    thread.is_asleep = true;
    ++thread.sleep;
    ++sleepers.idle;
    thread.watches = !sleepers.is_watched && (dispatcher_.waiting() > 0 || dispatcher_.begun() != seen_begun_);
    if (thread.watches) {
      sleepers.is_watched = true;
      seen_begun_ = dispatcher_.begun();
      until = std::min(until, now_ + kWatch);
    }
    if (until != base::kNoDeadline) At(until, [this, index, sleep = thread.sleep] { WakeUp(index, sleep); });
  }

  void WakeUp(size_t index, uint64_t sleep) {
    Thread& thread = threads_[index];
    if (!thread.is_asleep || thread.sleep != sleep) return;
    Dispatcher::Sleepers& sleepers = SleepersOf(thread.kind);
    thread.is_asleep = false;
    --sleepers.idle;
    if (std::exchange(thread.watches, false)) sleepers.is_watched = false;
    if (std::exchange(thread.is_woken, false)) --sleepers.waking;
    Ask(index, /*has_waited=*/true);
  }

  void Ask(size_t index, bool has_waited) {
    base::TimePoint wake_at = base::kNoDeadline;
    auto work = std::make_shared<Dispatcher::Work>(
        dispatcher_.Take({.kind = threads_[index].kind, .leaves_served = has_waited}, now_, wake_at));
    if (work->queue == nullptr) {
      FallAsleep(index, wake_at);
    } else {
      Begin(index, std::move(work));
    }
    NoteNeglect();
  }

  void Begin(size_t index, std::shared_ptr<Dispatcher::Work> work) {
    Wake(dispatcher_.WhoElseWakes(now_));
    const size_t load = LoadOf(*work->queue);
    Result& result = results_[load];
    for (const auto& task : work->taken.batch) {
      result.longest_wait = std::max(result.longest_wait, now_ - task->enqueued);
      result.total_wait += now_ - task->enqueued;
      Result::Level& level = result.levels.at(task->priority);
      ++level.answered;
      level.longest_wait = std::max(level.longest_wait, now_ - task->enqueued);
    }
    for (const auto& task : work->taken.expired) ++result.levels.at(task->priority).expired;
    const double factor = 1 + loads_[load].spread * std::uniform_real_distribution<double>(-1, 1)(random_);
    const auto took = std::chrono::duration_cast<base::Duration>(loads_[load].batch * factor / work->threads);
    ++result.batches;
    result.at_latency_point += work->is_at_latency_point ? 1 : 0;
    result.thread_time += took * work->threads;
    // Beside a batch on each processor, the express worker gets half a processor.
    const bool shares = work->kind == RunnerKind::kExpress && dispatcher_.free_threads() == 0;
    At(now_ + (shares ? 2 * took : took), [this, index, load, took, work] { End(index, load, took, *work); });
  }

  void End(size_t index, size_t load, base::Duration took, const Dispatcher::Work& work) {
    if (work.kind == RunnerKind::kWorker) dispatcher_.GiveThreads(work.threads);
    dispatcher_.End(work, 0, now_, took);
    results_[load].answered += static_cast<int64_t>(work.taken.batch.size());
    if (loads_[load].rate == 0) {
      for (size_t i = 0; i < work.taken.batch.size(); ++i) At(now_, [this, load] { Arrive(load); });
    }
    Ask(index, /*has_waited=*/false);
  }

  size_t LoadOf(const DispatchQueue& queue) const {
    return static_cast<size_t>(std::ranges::find(queues_, &queue, [](const auto& one) { return one.get(); }) -
                               queues_.begin());
  }

  // Notes whether a due batch is neglected from now on.
  void NoteNeglect() {
    const bool has_idle = dispatcher_.workers().idle > 0;
    bool is_neglected = false;
    bool is_kept = false;  // the free threads are for a queue that needs more
    dispatcher_.EachWaiting([&](const DispatchQueue& queue) {
      if (!queue.tasks.HasDue(now_)) return;
      const bool has_room = dispatcher_.HasThreads(queue, now_);
      is_kept |= !has_room;
      is_neglected |= has_idle && has_room && !is_kept;
    });
    if (is_neglected && !neglected_since_.has_value()) neglected_since_ = now_;
    if (is_neglected || !neglected_since_.has_value()) return;
    longest_neglect_ = std::max(longest_neglect_, now_ - *neglected_since_);
    neglected_since_.reset();
  }

  base::TimePoint now_{std::chrono::hours(1)};
  Dispatcher dispatcher_;
  std::mt19937 random_;
  const std::vector<SimulatedLoad> loads_;
  std::vector<Result> results_;
  std::vector<std::unique_ptr<Owner>> owners_;
  std::vector<std::unique_ptr<DispatchQueue>> queues_;
  std::vector<Thread> threads_;
  uint64_t seen_begun_ = 0;
  std::priority_queue<Event> events_;
  uint64_t event_number_ = 0;
  std::optional<base::TimePoint> neglected_since_;
  base::Duration longest_neglect_{0};
};

}  // namespace torchferry::batching
