#include "server/app/servable_factory.h"

#include <algorithm>
#include <utility>

#include "server/app/device_reports.h"
#include "server/app/load_flags.h"
#include "server/app/plan_context.h"
#include "server/app/store_models.h"
#include "server/base/status.h"
#include "server/config/load_config.h"
#include "server/plan/label_files.h"
#include "server/tensor/batch_sizes.h"

namespace torchferry::app {

namespace {

base::Duration Seconds(double seconds) {
  return std::chrono::duration_cast<base::Duration>(std::chrono::duration<double>(seconds));
}

constexpr int kMibBits = 20;

serving::FlightLimits FlightLimitsOf(const config::LoadConfig& config, const ServerFlags& flags) {
  serving::FlightLimits limits = ModelLimitsOf(flags);
  limits.requests = config.max_requests_in_flight.value_or(limits.requests);
  if (config.max_mib_in_flight.has_value()) limits.bytes = *config.max_mib_in_flight << kMibBits;
  limits.streams = config.max_streams.value_or(limits.streams);
  return limits;
}

batching::LatencyPoint LatencyOf(const model::LatencyInfo& latency) {
  batching::LatencyPoint point;
  point.max_rows = latency.max_rows;
  point.threads = latency.intra_op_threads;
  point.expected = Seconds(latency.seconds);
  point.expected_without = Seconds(latency.throughput_seconds);
  return point;
}

}  // namespace

base::Duration LoadLimitOf(const config::ModelConfig& config, const ServerFlags& flags) {
  return Seconds(config.load_timeout_seconds.value_or(flags.load_timeout_seconds));
}

batching::BatchOptions BatchingOf(const config::ModelConfig& config, const std::optional<model::TuningInfo>& tuning,
                                  const ServerFlags& flags) {
  batching::BatchOptions options;
  options.max_queue_size = flags.max_queue_size;
  const config::LoadConfig load = config::LoadConfigOf(config);
  options.max_queue_rows = load.max_queue_rows.value_or(flags.max_queue_rows);
  options.max_queue_bytes = load.max_queue_mib.value_or(flags.max_queue_mib) << kMibBits;
  options.threads = tuning.has_value() ? tuning->intra_op_threads : flags.intra_op_threads;
  if (tuning.has_value() && tuning->latency.has_value()) options.latency = LatencyOf(*tuning->latency);
  if (!config.dynamic_batching.has_value()) return options;
  options.max_rows = tuning.has_value() ? tuning->batch_rows : config.max_batch_size;
  options.row_counts = tensor::BatchSizes(options.max_rows);
  options.max_queue_delay = config.dynamic_batching->max_queue_delay;
  options.preferred_rows = config.dynamic_batching->preferred_batch_sizes;
  options.priority_levels = load.priority_levels;
  if (config.dynamic_batching->max_queue_size > 0) {
    options.max_queue_size = std::min(flags.max_queue_size, config.dynamic_batching->max_queue_size);
  }
  return options;
}

batching::BatchOptions BatchingOf(const config::ModelConfig& config, const model::ModelInfo& info,
                                  const ServerFlags& flags) {
  batching::BatchOptions options = BatchingOf(config, info.tuning, flags);
  const bool was_measured = info.tuning.has_value() && info.tuning->latency.has_value();
  options.expected_batch = Seconds(was_measured ? info.tuning->latency->throughput_seconds : info.row_seconds);
  if (info.shares_forward_passes) return options;
  options.max_rows = 0;
  options.row_counts.clear();
  options.preferred_rows.clear();
  return options;
}

namespace {

using Place = decltype(model::LoadedModel::place);

// Placing a version on a further device may end the server as loading it may.
Place Marked(Place place, std::shared_ptr<registry::LoadMarks> marks, const std::string& model, int64_t version) {
  return [place = std::move(place), marks = std::move(marks), model,
          version](const tensor::DeviceId& device) -> absl::StatusOr<model::PlacedModel> {
    FERRY_ASSIGN_OR_RETURN(const auto mark, marks->BeginAgain(model, version));
    return place(device);
  };
}

}  // namespace

absl::StatusOr<std::unique_ptr<serving::Servable>> ServableFactory::Make(const std::string& model, int64_t version,
                                                                         const config::ModelConfig& config) const {
  plan::LoadRequest request{
      .store = StoreOf(parts_.flags), .model = model, .version = version, .config = config, .host = parts_.host};
  request.host.ruled_out = LostDevices(parts_.health->List());
  FERRY_ASSIGN_OR_RETURN(request.trusted, TrustedDigestsOf(parts_.flags));
  FERRY_ASSIGN_OR_RETURN(plan::LoadedVersion planned, plan::LoadVersion(request, parts_.loaders));
  model::LoadedModel& loaded = planned.model;
  const config::ModelConfig& effective = planned.config;
  if (loaded.place && parts_.marks != nullptr)
    loaded.place = Marked(std::move(loaded.place), parts_.marks, model, version);
  serving::Servable::Options options;
  FERRY_ASSIGN_OR_RETURN(options.labels, plan::ReadLabels(request.store, model, effective));
  options.pad_plan = effective.pad_to;
  options.name = model;
  options.version = version;
  options.batching = BatchingOf(effective, loaded.info, parts_.flags);
  options.rebatch = [effective, &flags = parts_.flags](const model::ModelInfo& better) {
    return BatchingOf(effective, better, flags);
  };
  options.instances = config::InstancesOnAccelerator(effective, loaded.model->is_stateful());
  options.forward_limit = Seconds(effective.forward_timeout_seconds.value_or(parts_.flags.forward_timeout_seconds));
  options.build_limit = {LoadLimitOf(effective, parts_.flags), parts_.watch};
  const config::LoadConfig load = config::LoadConfigOf(effective);
  options.flight_limits = FlightLimitsOf(load, parts_.flags);
  options.default_priority = load.default_priority_level;
  options.max_sessions = parts_.flags.max_stateful_streams;
  options.max_session_idle = std::chrono::duration_cast<base::Duration>(
      std::chrono::duration<double>(parts_.flags.stateful_stream_idle_seconds));
  if (effective.dynamic_batching.has_value()) options.queue_timeout = effective.dynamic_batching->default_queue_timeout;
  auto servable =
      std::make_unique<serving::Servable>(options, std::move(loaded), parts_.scheduler,
                                          parts_.metrics.ForModel(model, version), parts_.clock, parts_.health);
  if (parts_.idle != nullptr) parts_.idle->Add(servable->idle_jobs());
  return servable;
}

}  // namespace torchferry::app
