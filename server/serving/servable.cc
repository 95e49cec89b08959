#include "server/serving/servable.h"

#include <algorithm>
#include <utility>

#include "server/base/status.h"
#include "server/model/device_fault.h"
#include "server/serving/leaked_on_loss.h"
#include "server/serving/queued_task.h"
#include "server/serving/row_pieces.h"

namespace torchferry::serving {
namespace {

// A stateful model's requests share no forward pass, so none waits for company.
Servable::Options ForModel(Servable::Options options, const model::Model& model) {
  if (!model.is_stateful()) return options;
  const int64_t max_queue_size = options.batching.max_queue_size;
  options.batching = {};
  options.batching.max_queue_size = max_queue_size;
  return options;
}

// Whether it is on one, or may be later.
bool UsesAccelerator(const model::LoadedModel& loaded) {
  const auto is_accelerator = [](const tensor::DeviceId& device) { return !device.IsCpu(); };
  return is_accelerator(loaded.model->device()) || std::ranges::any_of(loaded.others, is_accelerator) ||
         std::ranges::any_of(loaded.rather, is_accelerator);
}

absl::Status StateIsGone(const std::string& why) {
  return base::MakeStatus(absl::StatusCode::kUnavailable,
                          "the state of this stream {}; open a new stream, which begins with the state in the file",
                          why);
}

template <typename Tasks>
int64_t RowsIn(const Tasks& tasks) {
  int64_t rows = 0;
  for (const auto& task : tasks) rows += task->rows;
  return rows;
}

}  // namespace

Servable::Servable(Options options, model::LoadedModel loaded, batching::Scheduler& scheduler,
                   std::shared_ptr<metrics::ModelMetrics> metrics, const base::Clock& clock,
                   std::shared_ptr<DeviceHealth> health)
    : options_(ForModel(std::move(options), *loaded.model)),
      signature_(loaded.model->signature()),
      is_stateful_(loaded.model->is_stateful()),
      scheduler_(scheduler),
      metrics_(std::move(metrics)),
      clock_(clock),
      sessions_(std::make_shared<SessionLimit>(options_.max_sessions)),
      runs_on_cpu_(loaded.model->device().IsCpu()),
      has_limit_(options_.instances > 0 && UsesAccelerator(loaded)),
      queue_(scheduler.AddQueue(options_.batching, *this)) {
  if (loaded.info.fallback) {
    metrics_->FellBack({loaded.info.fallback_from, tensor::ToString(loaded.model->device()),
                        std::string(Name(loaded.info.fallback_reason))});
  }
  placements_ = std::make_unique<Placements>(options_.name, options_.version, std::move(loaded), std::move(health),
                                             clock_, [this] { Unpark(); });
}

Servable::~Servable() {
  scheduler_.Close(*queue_);
  placements_.reset();
}

void Servable::Submit(PredictTask task) {
  base::TimePoint waits_until = task.deadline;
  if (options_.queue_timeout > base::Duration::zero())
    waits_until = std::min(waits_until, clock_.Now() + options_.queue_timeout);
  auto queued = std::make_unique<QueuedTask>(std::move(task), waits_until);
  if (options_.batching.max_rows > 0) queued->batch_key = model::BatchKey(signature(), queued->inputs());
  std::unique_ptr<batching::Task> base = std::move(queued);
  const absl::Status status = scheduler_.Submit(*queue_, base);
  if (!status.ok()) static_cast<QueuedTask&>(*base).Answer(status);
}

absl::StatusOr<std::shared_ptr<Session>> Servable::OpenSession() {
  std::shared_ptr<Session> session = SessionLimit::Open(sessions_);
  if (session != nullptr) return session;
  return base::MakeStatus(absl::StatusCode::kResourceExhausted,
                          "model \"{}\" version {} keeps a state for each stream, and {} streams have "
                          "one, the limit: end a stream, "
                          "try again later, or raise the server's --max-stateful-streams",
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

void Servable::Drop(std::unique_ptr<batching::Task> task, const absl::Status& why) {
  static_cast<QueuedTask&>(*task).Answer(why);
}

void Servable::OnDepth(int64_t waiting) { metrics_->QueueDepth(waiting); }

Servable::QueuedTask& Servable::First(const Batch& batch) { return static_cast<QueuedTask&>(*batch.at(0)); }

void Servable::Run(Batch batch) {
  std::vector<Batch> left;  // the next one last
  left.push_back(std::move(batch));
  for (bool is_first = true; !left.empty(); is_first = false) {
    Batch next = std::move(left.back());
    left.pop_back();
    const Placements::Choice choice = ChooseFor(next);
    if (choice.use.has_value()) {
      const bool is_elsewhere = First(next).tried != 0;
      if (!is_first || is_elsewhere) DropLate(next, is_elsewhere ? choice.use->fastest : base::Duration::zero());
      if (next.empty()) continue;
      std::vector<Batch> more = RunOn(*choice.use, std::move(next));
      std::move(more.rbegin(), more.rend(), std::back_inserter(left));
    } else if (!choice.may_come) {
      for (auto& task : next) {
        auto& queued = static_cast<QueuedTask&>(*task);
        queued.Answer(queued.fault.ok() ? choice.error : queued.fault);
      }
    } else if (!Park(next, choice.builds)) {
      left.push_back(std::move(next));
    }
  }
}

Placements::Choice Servable::ChooseFor(const Batch& batch) {
  Session* session = First(batch).session();
  if (session == nullptr || (session->model() == nullptr && session->end().ok()))
    return placements_->Choose(First(batch).tried);
  // Its state is where it is.
  Placements::Choice choice;
  if (session->end().ok()) choice.use = placements_->On(session->model()->device());
  if (!choice.use.has_value()) {
    if (session->end().ok())
      session->End(StateIsGone(fmt::format("was on {}, which is lost", tensor::ToString(session->model()->device()))));
    choice.error = session->end();
  }
  return choice;
}

std::vector<Servable::Batch> Servable::RunOn(const Placements::Use& use, Batch batch) {
  if (use.rows.has_value()) {
    // The rest may run at the same time on another worker.
    Batch rest = After(batch, *use.rows);
    if (!rest.empty() && !scheduler_.Return(*queue_, rest).ok()) return Two(std::move(batch), std::move(rest));
  }
  const int64_t rows = RowsIn(batch);
  const bool is_on_cpu = use.model->device().IsCpu();
  runs_on_cpu_ = is_on_cpu;
  Attempt attempt = is_on_cpu && has_limit_ ? ForwardBesideLimit(use, batch) : Forward(use, batch);
  Record(use, batch, rows, attempt);
  if (attempt.outputs.ok()) {
    placements_->Ran(use, rows, attempt.ended - attempt.started);
  } else if (model::DeviceFaultOf(attempt.outputs.status()) != model::DeviceFault::kNone) {
    return AfterFault(use, std::move(batch), attempt);
  } else if (attempt.outputs.status().code() == absl::StatusCode::kInternal && batch.size() > 1) {
    return Singles(std::move(batch));
  }
  AnswerAll(use, std::move(batch), std::move(attempt));
  return {};
}

std::vector<Servable::Batch> Servable::AfterFault(const Placements::Use& use, Batch batch, const Attempt& attempt) {
  const absl::Status& status = attempt.outputs.status();
  const model::DeviceFault fault = model::DeviceFaultOf(status);
  if (fault == model::DeviceFault::kOutOfMemory) use.model->ReleaseCachedMemory();
  placements_->Failed(use, status, fault == model::DeviceFault::kOutOfMemory && batch.size() > 1 ? RowsIn(batch) : 1);
  if (is_stateful_ && attempt.has_run) {
    if (Session* session = First(batch).session()) {
      session->End(StateIsGone(fmt::format("is not known any more, as {} failed while the model ran",
                                           tensor::ToString(use.model->device()))));
    }
    First(batch).Answer(base::Annotate(status, "a model that keeps state is not run twice"));
    return {};
  }
  if (fault == model::DeviceFault::kOutOfMemory && batch.size() > 1) return Halves(std::move(batch));
  for (const auto& task : batch) {
    auto& queued = static_cast<QueuedTask&>(*task);
    queued.tried |= uint64_t{1} << use.index;
    queued.fault = status;
    queued.batch_key += fmt::format(" not on {}", use.index);  // no company for those that may run there
  }
  std::vector<Batch> again;
  again.push_back(std::move(batch));
  return again;
}

std::vector<Servable::Batch> Servable::Two(Batch first, Batch second) {
  std::vector<Batch> batches(2);
  batches[0] = std::move(first);
  batches[1] = std::move(second);
  return batches;
}

std::vector<Servable::Batch> Servable::Halves(Batch batch) {
  Batch second(std::make_move_iterator(batch.begin() + static_cast<int64_t>(batch.size() + 1) / 2),
               std::make_move_iterator(batch.end()));
  batch.resize(batch.size() - second.size());
  return Two(std::move(batch), std::move(second));
}

Servable::Batch Servable::After(Batch& batch, int64_t rows) {
  size_t kept = 1;
  int64_t sum = batch.at(0)->rows;
  while (kept < batch.size() && sum + batch[kept]->rows <= rows) sum += batch[kept++]->rows;
  Batch rest(std::make_move_iterator(batch.begin() + static_cast<int64_t>(kept)), std::make_move_iterator(batch.end()));
  batch.resize(kept);
  return rest;
}

std::vector<Servable::Batch> Servable::Singles(Batch batch) {
  std::vector<Batch> singles(batch.size());
  for (size_t i = 0; i < batch.size(); ++i) singles[i].push_back(std::move(batch[i]));
  return singles;
}

// It leaves its place on the accelerator to another one.
Servable::Attempt Servable::ForwardBesideLimit(const Placements::Use& use, const Batch& batch) {
  ++on_cpu_;
  scheduler_.LookAgain();
  Attempt attempt = Forward(use, batch);
  --on_cpu_;
  return attempt;
}

Servable::Attempt Servable::Forward(const Placements::Use& use, const Batch& batch) {
  Attempt attempt;
  attempt.has_run = true;
  attempt.started = clock_.Now();
  if (is_stateful_) {
    attempt.outputs = ForwardStateful(use, First(batch), attempt);
  } else if (batch.size() == 1) {
    attempt.outputs = ForwardInPieces(use, First(batch), attempt.times);
  } else {
    std::vector<const tensor::BoundInputs*> requests;
    for (const auto& task : batch) requests.push_back(&static_cast<const QueuedTask&>(*task).inputs());
    attempt.outputs = use.model->Predict(requests, attempt.times);
  }
  attempt.ended = clock_.Now();
  if (attempt.outputs.ok() && attempt.outputs->size() != batch.size()) {
    attempt.outputs = base::MakeStatus(absl::StatusCode::kInternal, "the model gave {} results for {} requests",
                                       attempt.outputs->size(), batch.size());
  }
  return attempt;
}

absl::StatusOr<std::vector<model::Outputs>> Servable::ForwardStateful(const Placements::Use& use,
                                                                      const QueuedTask& task, Attempt& attempt) {
  const tensor::BoundInputs* const requests[] = {&task.inputs()};
  attempt.has_run = false;
  if (task.session() != nullptr) {
    FERRY_ASSIGN_OR_RETURN(model::Model* const model, task.session()->ModelFrom(*use.model, placements_->health()));
    attempt.has_run = true;
    return model->Predict(requests, attempt.times);
  }
  FERRY_ASSIGN_OR_RETURN(std::shared_ptr<model::Model> fresh, use.model->Clone());
  fresh = LeakedOnLoss(std::move(fresh), placements_->health());
  attempt.has_run = true;
  absl::StatusOr<std::vector<model::Outputs>> outputs = fresh->Predict(requests, attempt.times);
  // Before the copy goes, so that it is leaked if it must be.
  if (!outputs.ok())
    placements_->health()->Report(fresh->device(), model::DeviceFaultOf(outputs.status()),
                                  base::MessageOf(outputs.status()));
  return outputs;
}

absl::StatusOr<std::vector<model::Outputs>> Servable::ForwardInPieces(const Placements::Use& use,
                                                                      const QueuedTask& task,
                                                                      model::PhaseTimes& times) {
  const tensor::BoundInputs& inputs = task.inputs();
  // Only a model whose requests share batches is known to treat each row by itself.
  int64_t most = batches() ? std::max<int64_t>(use.rows.value_or(inputs.rows), 1) : inputs.rows;
  std::vector<model::Outputs> pieces;
  for (int64_t begin = 0; begin < inputs.rows;) {
    const int64_t rows = std::min(most, inputs.rows - begin);
    const bool is_whole = rows == inputs.rows;
    const tensor::BoundInputs piece = is_whole ? tensor::BoundInputs{} : RowsOf(signature_, inputs, begin, rows);
    const tensor::BoundInputs* const requests[] = {is_whole ? &inputs : &piece};
    model::PhaseTimes piece_times;
    absl::StatusOr<std::vector<model::Outputs>> outputs = use.model->Predict(requests, piece_times);
    times = {times.input + piece_times.input, times.infer + piece_times.infer, times.output + piece_times.output};
    if (outputs.ok() && is_whole) return outputs;
    const bool may_halve =
        model::DeviceFaultOf(outputs.status()) == model::DeviceFault::kOutOfMemory && rows > 1 && batches();
    if (may_halve) {
      use.model->ReleaseCachedMemory();
      placements_->Failed(use, outputs.status(), rows);
      most = rows / 2;
    } else {
      FERRY_RETURN_IF_ERROR(outputs.status());
      pieces.push_back(std::move(outputs->at(0)));
      begin += rows;
    }
    if (begin < inputs.rows) FERRY_RETURN_IF_ERROR(CheckTime(task, base::Duration::zero()));
  }
  FERRY_ASSIGN_OR_RETURN(model::Outputs joined, JoinRows(pieces));
  return std::vector<model::Outputs>{std::move(joined)};
}

void Servable::Record(const Placements::Use& use, const Batch& batch, int64_t rows, const Attempt& attempt) {
  const std::string device = tensor::ToString(use.model->device());
  metrics::BatchRecord record{device,
                              static_cast<int64_t>(batch.size()),
                              rows,
                              attempt.outputs.ok(),
                              base::ToSeconds(attempt.ended - attempt.started),
                              attempt.times.input,
                              attempt.times.infer,
                              attempt.times.output,
                              0};
  for (const auto& task : batch) record.queue_seconds += base::ToSeconds(attempt.started - task->enqueued);
  metrics_->BatchDone(record);
  if (use.is_moved) metrics_->FellBack({use.from, device, std::string(Name(use.reason))});
}

void Servable::AnswerAll(const Placements::Use& use, Batch batch, Attempt attempt) {
  Execution execution;
  execution.device = tensor::ToString(use.model->device());
  execution.fallback = use.is_fallback;
  execution.fallback_reason = use.reason;
  execution.batch_rows = RowsIn(batch);
  execution.compute_seconds = base::ToSeconds(attempt.ended - attempt.started);
  for (size_t i = 0; i < batch.size(); ++i) {
    auto& task = static_cast<QueuedTask&>(*batch[i]);
    execution.queue_seconds = base::ToSeconds(attempt.started - task.enqueued);
    metrics_->QueueTime(execution.queue_seconds);
    if (!attempt.outputs.ok()) {
      task.Answer(attempt.outputs.status());
    } else if (attempt.ended > task.answer_by()) {
      task.Answer(absl::DeadlineExceededError("the deadline passed while the model ran"));
    } else {
      task.Answer(PredictResult{std::move((*attempt.outputs)[i]), execution});
    }
  }
}

absl::Status Servable::CheckTime(const QueuedTask& task, base::Duration duration) const {
  if (task.IsCancelled()) return absl::CancelledError("the caller went away; the request was not run again");
  if (task.answer_by() - clock_.Now() >= duration) return absl::OkStatus();
  return base::MakeStatus(absl::StatusCode::kDeadlineExceeded, "no time is left to run the request again{}{}",
                          task.fault.ok() ? "" : ", after: ", base::MessageOf(task.fault));
}

void Servable::DropLate(Batch& batch, base::Duration duration) {
  for (auto& task : batch) {
    auto& queued = static_cast<QueuedTask&>(*task);
    const absl::Status status = CheckTime(queued, duration);
    if (status.ok()) continue;
    queued.Answer(status);
    task.reset();
  }
  std::erase(batch, nullptr);
}

bool Servable::Park(Batch& batch, uint64_t builds) {
  base::MutexLock lock(park_mutex_);
  if (placements_->builds() != builds) return false;
  const absl::Status status = scheduler_.Park(*queue_, batch);
  for (auto& task : batch) Drop(std::move(task), status);
  return true;
}

void Servable::Unpark() {
  base::MutexLock lock(park_mutex_);
  scheduler_.Unpark(*queue_);
}

}  // namespace torchferry::serving
