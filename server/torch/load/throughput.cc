#include "server/torch/load/throughput.h"

#include <latch>
#include <thread>
#include <vector>

#include "server/base/status.h"
#include "server/base/thread_name.h"
#include "server/torch/device/runtime.h"

namespace torchferry::libtorch {
namespace {

using SteadyClock = std::chrono::steady_clock;

// What one worker found.
struct Lap {
  absl::Status status;
  int64_t batches = 0;
  double seconds = 0;
};

Lap Run(model::Model& model, std::span<const tensor::BoundInputs* const> requests, std::chrono::duration<double> time) {
  Lap lap;
  model::PhaseTimes ignored;
  const auto began = SteadyClock::now();
  std::chrono::duration<double> passed{};
  do {
    lap.status = model.Predict(requests, ignored).status();
    ++lap.batches;
    passed = SteadyClock::now() - began;
  } while (lap.status.ok() && passed < time);
  lap.seconds = passed.count();
  return lap;
}

}  // namespace

absl::StatusOr<double> MeasureThroughput(model::Model& model, std::span<const tensor::BoundInputs* const> requests,
                                         const Load& load) {
  int64_t rows = 0;
  for (const tensor::BoundInputs* request : requests) rows += request->rows;
  std::vector<Lap> laps(static_cast<size_t>(load.workers));
  std::latch ready(load.workers);
  std::vector<std::thread> workers;
  for (int worker = 0; worker < load.workers; ++worker) {
    workers.emplace_back([&, worker] {
      base::NameThisThread("tuning");
      TorchRuntime::SetIntraOpThreads(load.threads);
      Lap& lap = laps[static_cast<size_t>(worker)];
      model::PhaseTimes ignored;
      for (int i = 0; i < load.runs_before && lap.status.ok(); ++i)
        lap.status = model.Predict(requests, ignored).status();
      ready.arrive_and_wait();
      if (lap.status.ok()) lap = Run(model, requests, load.time);
    });
  }
  for (std::thread& worker : workers) worker.join();
  double rate = 0;
  for (const Lap& lap : laps) {
    FERRY_RETURN_IF_ERROR(lap.status);
    rate += static_cast<double>(rows) * static_cast<double>(lap.batches) / lap.seconds;
  }
  return rate;
}

}  // namespace torchferry::libtorch
