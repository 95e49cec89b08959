// How a version of a model becomes a Servable: what it is loaded with, and how its requests are batched.
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

// The version's configuration, what tuning found (nothing: it was not tuned), and the flags' limits.
batching::BatchOptions BatchingOf(const config::ModelConfig& config, const std::optional<model::TuningInfo>& tuning,
                                  const ServerFlags& flags);

// Likewise, with what is known of a batch's time; a version whose requests share no forward passes (ModelInfo) has no
// batches of several.
batching::BatchOptions BatchingOf(const config::ModelConfig& config, const model::ModelInfo& info,
                                  const ServerFlags& flags);

// How long loading a version, or making it on another device, may take.
base::Duration LoadLimitOf(const config::ModelConfig& config, const ServerFlags& flags);

// Thread-safe.
class ServableFactory {
 public:
  // What is referred to outlives the factory and its servables.
  struct Parts {
    const ServerFlags& flags;
    plan::PlanContext host;  // its `ruled_out` is set anew for each version: devices are lost as time goes on
    std::vector<const plan::ModelLoader*> loaders;  // runtimes, in order of preference
    batching::Scheduler& scheduler;
    metrics::Metrics& metrics;
    const base::Clock& clock;
    std::shared_ptr<serving::DeviceHealth> health;
    std::shared_ptr<registry::LoadMarks> marks = nullptr;  // for what is placed later; null: none
    base::StuckWatch* watch = nullptr;
    IdleWork* idle = nullptr;  // does what versions have left to do; null: nobody
  };

  explicit ServableFactory(Parts parts) : parts_(std::move(parts)) {}

  // Loads the version and gives it a queue. Blocks for as long as loading takes. The errors are plan::LoadVersion's.
  absl::StatusOr<std::unique_ptr<serving::Servable>> Make(const std::string& model, int64_t version,
                                                          const config::ModelConfig& config) const;

 private:
  const Parts parts_;
};

}  // namespace torchferry::app
