#include "client/bench/bench_load.h"

#include <algorithm>
#include <deque>
#include <future>
#include <thread>
#include <utility>

namespace torchferry::client {
namespace {

using Clock = std::chrono::steady_clock;

// How soon a stop is noticed.
constexpr auto kTick = std::chrono::milliseconds(50);

// The part of `all` that is number `index` of `parts`, the first ones larger by one.
int64_t ShareOf(int64_t all, int64_t index, int64_t parts) { return all / parts + (index < all % parts); }

// Sleeps until then; false when stopped.
bool WaitUntil(BenchTime time, const std::atomic<bool>& stop) {
  while (!stop.load()) {
    const BenchTime now = Clock::now();
    if (now >= time) return true;
    std::this_thread::sleep_until(std::min(time, now + kTick));
  }
  return false;
}

class Step {
 public:
  Step(const BenchPlan& plan, const BenchStep& step, const BenchTarget& target)
      : plan_(plan),
        step_(step),
        start_(Clock::now()),
        window_{start_ + plan.warm_up, start_ + plan.warm_up + plan.duration} {
    const int64_t calls = step.is_open() ? plan.max_outstanding : step.concurrency;
    for (int64_t i = 0; i < plan.threads; ++i) {
      const int64_t share = ShareOf(calls, i, plan.threads);
      if (share > 0) calls_of_threads_.emplace_back(target, ChannelsOf(target, i), share, window_, stop_);
    }
  }

  StepResult Run(const std::function<bool(std::chrono::nanoseconds)>& on_tick) {
    std::vector<std::future<void>> threads;
    BenchStats sender_stats(window_);
    for (InFlightCalls& calls : calls_of_threads_) {
      threads.push_back(std::async(std::launch::async, [this, &calls] { RunThread(calls); }));
    }
    if (step_.is_open()) {
      threads.push_back(std::async(std::launch::async, [&] { SendWhatIsDue(&sender_stats); }));
    }
    BenchTime end = window_.end;
    for (const std::future<void>& thread : threads) {
      while (thread.wait_for(kTick) != std::future_status::ready) {
        const BenchTime now = Clock::now();
        if (!stop_.load() && !on_tick(now - start_)) stop_.store(true);
        if (stop_.load()) end = std::min(end, now);
      }
    }
    if (stop_.load()) end = std::min(end, Clock::now());
    return Collect(sender_stats, end);
  }

 private:
  std::vector<std::shared_ptr<grpc::Channel>> ChannelsOf(const BenchTarget& target, int64_t thread) const {
    std::vector<std::shared_ptr<grpc::Channel>> channels;
    const auto threads = static_cast<size_t>(plan_.threads);
    for (auto i = static_cast<size_t>(thread); i < target.channels.size(); i += threads) {
      channels.push_back(target.channels[i]);
    }
    return channels;
  }

  void RunThread(InFlightCalls& calls) {
    if (!step_.is_open()) {
      while (calls.Send(Clock::now())) {
      }
      calls.Close();
    }
    calls.Run(/*again=*/!step_.is_open());
  }

  void SendWhatIsDue(BenchStats* stats) {
    Arrivals arrivals(plan_.arrivals, step_.rate, plan_.seed);
    for (size_t next_thread = 0;; ++next_thread) {
      const BenchTime due = start_ + arrivals.Next();
      if (due >= window_.end || !WaitUntil(due, stop_)) break;
      // Where this client cannot send as fast as is asked, it ends with the step all the same.
      if (Clock::now() < window_.end && SendByAny(next_thread, due)) {
        stats->AddSendDelay(due, Clock::now());
      } else {
        stats->AddNotSent(due);
      }
    }
    for (InFlightCalls& calls : calls_of_threads_) calls.Close();
  }

  // By the thread whose turn it is, or the next one that has a call to spare.
  bool SendByAny(size_t first, BenchTime due) {
    for (size_t i = 0; i < calls_of_threads_.size(); ++i) {
      if (calls_of_threads_[(first + i) % calls_of_threads_.size()].Send(due)) return true;
    }
    return false;
  }

  StepResult Collect(const BenchStats& sender_stats, BenchTime end) {
    StepResult result{sender_stats, absl::OkStatus(), stop_.load()};
    for (const InFlightCalls& calls : calls_of_threads_) {
      result.stats.Merge(calls.stats());
      if (result.gone.ok()) result.gone = calls.gone();
    }
    result.stats.EndAt(end);
    return result;
  }

  const BenchPlan& plan_;
  const BenchStep& step_;
  std::atomic<bool> stop_ = false;
  const BenchTime start_;
  const BenchWindow window_;
  std::deque<InFlightCalls> calls_of_threads_;
};

}  // namespace

StepResult RunStep(const BenchPlan& plan, const BenchStep& step, const BenchTarget& target,
                   const std::function<bool(std::chrono::nanoseconds elapsed)>& on_tick) {
  return Step(plan, step, target).Run(on_tick);
}

}  // namespace torchferry::client
