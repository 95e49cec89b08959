#include "server/serving/servable.h"

#include <algorithm>
#include <utility>

#include "server/base/status.h"

namespace torchferry {
namespace {

// A stateful model's requests share no forward pass, so none waits for company.
Servable::Options ForModel(Servable::Options options, const Model& model) {
  if (!model.is_stateful()) return options;
  const int64_t max_queue_size = options.batching.max_queue_size;
  options.batching = {};
  options.batching.max_queue_size = max_queue_size;
  return options;
}

}  // namespace

// Answers exactly once: at the latest, with INTERNAL, when it is destroyed unanswered.
class Servable::QueuedTask final : public Task {
 public:
  explicit QueuedTask(PredictTask task) : request_(std::move(task)) {
    rows = request_.inputs.rows;
    deadline = request_.deadline;
    if (request_.session != nullptr) lane = request_.session->lane();
  }
  ~QueuedTask() override {
    if (request_.done) Answer(absl::InternalError("the server lost the request; please report this"));
  }

  bool IsCancelled() const override { return request_.is_cancelled && request_.is_cancelled(); }
  const BoundInputs& inputs() const { return request_.inputs; }
  Session* session() const { return request_.session.get(); }

  void Answer(absl::StatusOr<PredictResult> result) {
    const PredictCallback done = std::exchange(request_.done, nullptr);
    if (done) done(std::move(result));
  }

 private:
  PredictTask request_;
};

Servable::Servable(Options options, LoadedModel loaded, Scheduler& scheduler,
                   std::shared_ptr<ModelMetrics> metrics, const Clock& clock)
    : options_(ForModel(std::move(options), *loaded.model)),
      loaded_(std::move(loaded)),
      scheduler_(scheduler),
      metrics_(std::move(metrics)),
      clock_(clock),
      sessions_(std::make_shared<SessionLimit>(options_.max_sessions)),
      queue_(scheduler.AddQueue(options_.batching, options_.max_concurrency, *this)) {
  if (loaded_.info.fallback) {
    metrics_->FellBack({loaded_.info.fallback_from, ToString(device()), loaded_.info.fallback_reason});
  }
}

Servable::~Servable() { scheduler_.Close(*queue_); }

void Servable::Submit(PredictTask task) {
  if (options_.queue_timeout > Duration::zero()) {
    task.deadline = std::min(task.deadline, clock_.Now() + options_.queue_timeout);
  }
  auto queued = std::make_unique<QueuedTask>(std::move(task));
  if (options_.batching.max_rows > 0) queued->batch_key = BatchKey(signature(), queued->inputs());
  std::unique_ptr<Task> base = std::move(queued);
  const absl::Status status = scheduler_.Submit(*queue_, base);
  if (!status.ok()) static_cast<QueuedTask&>(*base).Answer(status);
}

absl::StatusOr<std::shared_ptr<Session>> Servable::OpenSession() {
  std::shared_ptr<Session> session = SessionLimit::Open(sessions_);
  if (session != nullptr) return session;
  return MakeStatus(absl::StatusCode::kResourceExhausted,
                    "model \"{}\" version {} keeps a state for each stream, and {} streams have "
                    "one, the limit: end a stream, "
                    "try again later, or raise the server's --max-stateful-streams",
                    name(), version(), sessions_->limit());
}

void Servable::Run(std::vector<std::unique_ptr<Task>> batch) { RunTogether(std::move(batch)); }

void Servable::Drop(std::unique_ptr<Task> task, const absl::Status& why) {
  static_cast<QueuedTask&>(*task).Answer(why);
}

void Servable::OnDepth(int64_t waiting) { metrics_->QueueDepth(waiting); }

void Servable::RunTogether(std::vector<std::unique_ptr<Task>> batch) {
  std::vector<const BoundInputs*> requests;
  int64_t rows = 0;
  for (const auto& task : batch) {
    requests.push_back(&static_cast<const QueuedTask&>(*task).inputs());
    rows += task->rows;
  }
  PhaseTimes times;
  const TimePoint started = clock_.Now();
  absl::StatusOr<std::vector<Outputs>> outputs =
      Forward(static_cast<QueuedTask&>(*batch[0]), requests, times);
  const TimePoint ended = clock_.Now();
  if (outputs.ok() && outputs->size() != batch.size()) {
    outputs = MakeStatus(absl::StatusCode::kInternal, "the model gave {} results for {} requests",
                         outputs->size(), batch.size());
  }
  BatchRecord record{ToString(device()), static_cast<int64_t>(batch.size()), rows, outputs.ok(), ToSeconds(ended - started),
                     times.input, times.infer, times.output, 0};
  for (const auto& task : batch) record.queue_seconds += ToSeconds(started - task->enqueued);
  metrics_->BatchDone(record);

  if (outputs.status().code() == absl::StatusCode::kInternal && batch.size() > 1) {
    for (auto& task : batch) {
      std::vector<std::unique_ptr<Task>> alone;
      alone.push_back(std::move(task));
      RunTogether(std::move(alone));
    }
    return;
  }
  for (size_t i = 0; i < batch.size(); ++i) {
    auto& task = static_cast<QueuedTask&>(*batch[i]);
    const Execution execution = ExecutionOf(task, started, ended, rows);
    metrics_->QueueTime(execution.queue_seconds);
    if (outputs.ok()) {
      task.Answer(PredictResult{std::move((*outputs)[i]), execution});
    } else {
      task.Answer(outputs.status());
    }
  }
}

absl::StatusOr<std::vector<Outputs>> Servable::Forward(
    const QueuedTask& first, std::span<const BoundInputs* const> requests, PhaseTimes& times) {
  if (!is_stateful()) return loaded_.model->Predict(requests, times);
  if (first.session() != nullptr) {
    TF_ASSIGN_OR_RETURN(Model* const model, first.session()->ModelFrom(*loaded_.model));
    return model->Predict(requests, times);
  }
  TF_ASSIGN_OR_RETURN(const std::shared_ptr<Model> fresh, loaded_.model->Clone());
  return fresh->Predict(requests, times);
}

Execution Servable::ExecutionOf(const QueuedTask& task, TimePoint started, TimePoint ended, int64_t rows) const {
  Execution execution;
  execution.device = ToString(device());
  execution.fallback = loaded_.info.fallback;
  execution.fallback_reason = loaded_.info.fallback_reason;
  execution.batch_rows = rows;
  execution.queue_seconds = ToSeconds(started - task.enqueued);
  execution.compute_seconds = ToSeconds(ended - started);
  return execution;
}

}  // namespace torchferry
