#include "server/serving/servable.h"

#include <algorithm>
#include <utility>

#include "server/base/status.h"
#include "server/serving/batch_runner.h"

namespace torchferry::serving {
namespace {

// A stateful model's requests share no forward pass, so none waits for company.
Servable::Options ForModel(Servable::Options options, const model::Model& model) {
  if (!model.is_stateful()) return options;
  const batching::BatchOptions before = std::exchange(options.batching, {});
  options.batching.max_queue_size = before.max_queue_size;
  options.batching.max_queue_rows = before.max_queue_rows;
  options.batching.max_queue_bytes = before.max_queue_bytes;
  return options;
}

}  // namespace

Servable::Servable(Options options, model::LoadedModel loaded, batching::Scheduler& scheduler,
                   std::shared_ptr<metrics::ModelMetrics> metrics, const base::Clock& clock,
                   std::shared_ptr<DeviceHealth> health)
    : options_(ForModel(std::move(options), *loaded.model)),
      is_stateful_(loaded.model->is_stateful()),
      metrics_(std::move(metrics)),
      clock_(clock),
      sessions_(std::make_shared<SessionLimit>(options_.max_sessions, options_.max_session_idle, clock_)) {
  if (loaded.info.fallback) {
    metrics_->OnFallback({.from = loaded.info.fallback_from,
                          .to = tensor::ToString(loaded.model->device()),
                          .reason = std::string(Name(loaded.info.fallback_reason))});
  }
  idle_jobs_ = std::make_shared<IdleJobs>(std::exchange(loaded.idle_jobs, {}),
                                          [this](model::PlacedModel better) { Replace(std::move(better)); });
  runner_ = std::make_unique<BatchRunner>(
      BatchRunner::Options{.model = options_.name,
                           .version = options_.version,
                           .batching = options_.batching,
                           .instances = options_.instances,
                           .forward_limit = options_.forward_limit,
                           .build_limit = options_.build_limit,
                           .on_suspect = [this](const absl::Status& why) { SetSuspect(why); }},
      std::move(loaded), scheduler, metrics_, clock, std::move(health));
}

Servable::~Servable() {
  idle_jobs_->Close();
  idle_jobs_->HasEnded(base::kNoDeadline);
}

const tensor::Signature& Servable::signature() const { return runner_->signature(); }

const std::vector<std::string>& Servable::labels(const std::string& output) const {
  static const std::vector<std::string> kNone;
  const auto it = options_.labels.find(output);
  return it == options_.labels.end() ? kNone : it->second;
}

model::PlacedModel Servable::placement() const { return runner_->placements().Now(); }

MemoryUse Servable::memory() const { return runner_->placements().memory(); }

bool Servable::can_run() const { return runner_->placements().CanRun(); }

void Servable::SetSuspect(const absl::Status& why) {
  {
    base::MutexLock lock(suspect_mutex_);
    suspect_ = why;
  }
  if (on_suspect_) on_suspect_(why);
}

absl::Status Servable::suspect() const {
  base::MutexLock lock(suspect_mutex_);
  return suspect_;
}

bool Servable::is_stuck() const {
  return !suspect().ok() || runner_->placements().is_stuck() || idle_jobs_->is_stuck();
}

void Servable::BeginClose() {
  idle_jobs_->Close();
  runner_->BeginClose();
}

bool Servable::HasEnded(base::TimePoint until) {
  return idle_jobs_->HasEnded(until) && runner_->HasEnded(until) && runner_->placements().HasEnded(until);
}

// On the thread of an idle job. The model comes first: a batch of the new size on the model that was is only slower.
void Servable::Replace(model::PlacedModel better) {
  std::optional<batching::BatchOptions> options;
  if (options_.rebatch) options = options_.rebatch(better.info);
  if (!runner_->placements().Replace(std::move(better))) return;
  if (options.has_value()) runner_->SetBatching(*std::move(options));
}

void Servable::Submit(PredictTask task) {
  base::TimePoint waits_until = task.deadline;
  if (options_.queue_timeout > base::Duration::zero())
    waits_until = std::min(waits_until, clock_.Now() + options_.queue_timeout);
  auto queued = std::make_unique<QueuedTask>(std::move(task), waits_until);
  if (batches()) queued->batch_key = model::BatchKey(signature(), queued->inputs());
  runner_->Submit(std::move(queued));
}

absl::StatusOr<uint32_t> Servable::PriorityOf(uint64_t priority) const {
  const uint32_t levels = options_.batching.priority_levels;
  if (levels <= 1) return 0;
  if (priority > levels) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                            "the request's priority is {}; expected 1, the highest, to {}, or 0 for the model's "
                            "default, {}",
                            priority, levels, options_.default_priority);
  }
  return priority == 0 ? options_.default_priority : static_cast<uint32_t>(priority);
}

absl::StatusOr<std::shared_ptr<Session>> Servable::OpenSession() {
  std::shared_ptr<Session> session = SessionLimit::Open(sessions_);
  if (session != nullptr) return session;
  return base::MakeStatus(absl::StatusCode::kResourceExhausted,
                          "model \"{}\" version {} keeps a state for each stream, and the max of {} streams have one. "
                          "End a stream, try again later, or raise --max-stateful-streams",
                          name(), version(), sessions_->limit());
}

void Servable::Unload() {
  {
    base::MutexLock lock(unload_mutex_);
    if (std::exchange(is_unloaded_, true)) return;
  }
  unload_listeners_.Tell();
}

int Servable::OnUnload(std::function<void()> listener) {
  {
    base::MutexLock lock(unload_mutex_);
    if (!is_unloaded_) return unload_listeners_.Subscribe(std::move(listener));
  }
  listener();
  return 0;
}

void Servable::Unsubscribe(int subscription) { unload_listeners_.Unsubscribe(subscription); }

}  // namespace torchferry::serving
