#include "server/torch/load/throughput.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <latch>
#include <optional>
#include <thread>
#include <vector>

#include "server/base/status.h"
#include "server/base/thread_name.h"
#include "server/host/run_delay.h"
#include "server/torch/device/runtime.h"

namespace torchferry::libtorch {
namespace {

using SteadyClock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

// Share of a worker's time that its threads may wait for a processor: what the system's own small tasks, and the
// thread that measures, take.
constexpr double kUndisturbed = 0.12;
// The system puts threads that wake up on one processor, and moves one of them away some milliseconds later.
constexpr Seconds kSettles{0.01};
// Of what lost more nobody knows how fast it is.
constexpr double kMaxLost = 0.9;

// What one worker found.
struct Lap {
  absl::Status status;
  int64_t batches = 0;
  double seconds = 0;
};

// The turns of a measurement: the workers are ready, may go, have run, and may end. What is read of them is read while
// none of them runs and all are there.
struct Turns {
  explicit Turns(int workers) : ready(workers), done(workers) {}
  std::latch ready;
  bool gives_up = false;  // written before `go`
  std::atomic<bool> go{false};
  std::latch done;
  std::latch end{1};
};

Lap Run(model::Model& model, std::span<const tensor::BoundInputs* const> requests, Seconds time) {
  Lap lap;
  model::PhaseTimes ignored;
  const auto began = SteadyClock::now();
  Seconds passed{};
  do {
    lap.status = model.Predict(requests, ignored).status();
    ++lap.batches;
    passed = SteadyClock::now() - began;
  } while (lap.status.ok() && passed < time);
  lap.seconds = passed.count();
  return lap;
}

// A fresh thread has no team yet, and the first operator would wait for it. Each thread of it is busy until the system
// has placed them all.
void StartTeam(int threads) {
  const auto until = SteadyClock::now() + kSettles;
  at::parallel_for(0, threads, 1, [until](int64_t, int64_t) {
    while (SteadyClock::now() < until) {
    }
  });
}

// The passes that do not count. Where the first is so slow that the way cannot win, it is the only one.
Lap RunBefore(model::Model& model, std::span<const tensor::BoundInputs* const> requests, const Load& load) {
  Lap first;
  for (int i = 0; first.status.ok() && i < load.runs_before; ++i) {
    Lap lap = Run(model, requests, Seconds(0));
    if (i == 0 || !lap.status.ok()) first = std::move(lap);
  }
  return first;
}

void Work(model::Model& model, std::span<const tensor::BoundInputs* const> requests, const Load& load, Turns& turns,
          Lap& lap) {
  base::NameThisThread("tuning");
  TorchRuntime::SetIntraOpThreads(load.threads);
  StartTeam(load.threads);
  lap = RunBefore(model, requests, load);
  turns.ready.count_down();
  while (!turns.go) {  // who slept would have to be placed again
  }
  if (lap.status.ok() && !turns.gives_up) lap = Run(model, requests, load.time);
  turns.done.count_down();
  turns.end.wait();
}

double RateOf(const std::vector<Lap>& laps, int64_t rows) {
  double rate = 0;
  for (const Lap& lap : laps) {
    if (lap.seconds > 0) rate += static_cast<double>(rows * lap.batches) / lap.seconds;
  }
  return rate;
}

// The share of its time that a worker has lost, by what its threads waited; 0 where nobody knows. A thread that waits
// holds up its team.
double LostShare(const std::optional<double>& before, const std::optional<double>& after, Seconds passed,
                 const Load& load) {
  if (!before.has_value() || !after.has_value()) return 0;
  return std::clamp((*after - *before) / (passed.count() * load.workers), 0.0, kMaxLost);
}

}  // namespace

absl::StatusOr<Throughput> MeasureThroughput(model::Model& model, std::span<const tensor::BoundInputs* const> requests,
                                             const Load& load) {
  int64_t rows = 0;
  for (const tensor::BoundInputs* request : requests) rows += request->rows;
  std::vector<Lap> laps(static_cast<size_t>(load.workers));
  Turns turns(load.workers);
  std::vector<std::thread> workers;
  std::optional<double> delay_before = host::ReadRunDelay();
  auto began = SteadyClock::now();
  for (Lap& lap : laps) workers.emplace_back([&] { Work(model, requests, load, turns, lap); });
  turns.ready.wait();
  turns.gives_up = load.runs_before > 0 && RateOf(laps, rows) < load.gives_up_below;
  if (!turns.gives_up) {
    delay_before = host::ReadRunDelay();
    began = SteadyClock::now();
  }
  turns.go = true;
  turns.done.wait();
  const Seconds passed = SteadyClock::now() - began;
  const std::optional<double> delay_after = host::ReadRunDelay();
  turns.end.count_down();
  for (std::thread& worker : workers) worker.join();
  Throughput throughput;
  for (const Lap& lap : laps) FERRY_RETURN_IF_ERROR(lap.status);
  throughput.rows_per_second = RateOf(laps, rows);
  const double lost = LostShare(delay_before, delay_after, passed, load);
  throughput.is_disturbed = lost > kUndisturbed;
  throughput.max_rows_per_second = throughput.rows_per_second / (1 - lost);
  return throughput;
}

}  // namespace torchferry::libtorch
