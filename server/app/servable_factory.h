// Makes a Servable of a version of a model: loads it, and sets how its requests are batched.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/app/flags.h"
#include "server/app/idle_work.h"
#include "server/batching/scheduler.h"
#include "server/metrics/metrics.h"
#include "server/plan/model_loader.h"
#include "server/registry/load_marks.h"
#include "server/serving/device_health.h"
#include "server/serving/servable.h"

namespace torchferry::app {

// Batching from the version's configuration, the result of tuning (nullopt: it was not tuned), and the flags' limits.
batching::BatchOptions BatchingOf(const config::ModelConfig& config, const std::optional<model::TuningInfo>& tuning,
                                  const ServerFlags& flags);

// Likewise, with the known time of a batch. A version whose requests share no forward passes (ModelInfo) gets no
// batches of several requests.
batching::BatchOptions BatchingOf(const config::ModelConfig& config, const model::ModelInfo& info,
                                  const ServerFlags& flags);

// Max time to load a version, or to make it on another device.
base::Duration LoadLimitOf(const config::ModelConfig& config, const ServerFlags& flags);

// Thread-safe.
class ServableFactory {
 public:
  // The referenced objects outlive the factory and its servables.
  struct Parts {
    const ServerFlags& flags;
    plan::PlanContext host;  // its `ruled_out` is set anew for each version, as devices are lost over time
    std::vector<const plan::ModelLoader*> loaders;  // runtimes, in order of preference
    batching::Scheduler& scheduler;
    metrics::Metrics& metrics;
    const base::Clock& clock;
    std::shared_ptr<serving::DeviceHealth> health;
    std::shared_ptr<registry::LoadMarks> marks = nullptr;  // for later placements; null: no marks are kept
    base::StuckWatch* watch = nullptr;
    IdleWork* idle = nullptr;  // runs the jobs that versions leave for later; null: they do not run
  };

  explicit ServableFactory(Parts parts) : parts_(std::move(parts)) {}

  // Loads the version and gives it a queue. Blocks while the version loads. The errors are plan::LoadVersion's.
  absl::StatusOr<std::unique_ptr<serving::Servable>> Make(const std::string& model, int64_t version,
                                                          const config::ModelConfig& config) const;

 private:
  const Parts parts_;
};

}  // namespace torchferry::app
