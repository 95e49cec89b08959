#include "server/serving/batch_runner.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "server/base/logging.h"
#include "server/base/running_model.h"
#include "server/base/status.h"
#include "server/model/device_fault.h"
#include "server/serving/batch_split.h"

namespace torchferry::serving {
namespace {

// Whether it is on one, or may be later.
bool UsesAccelerator(const model::LoadedModel& loaded) {
  const auto is_accelerator = [](const tensor::DeviceId& device) { return !device.IsCpu(); };
  return is_accelerator(loaded.model->device()) || std::ranges::any_of(loaded.fallback_devices, is_accelerator) ||
         std::ranges::any_of(loaded.preferred_devices, is_accelerator);
}

absl::Status StateIsGone(const std::string& why) {
  return base::MakeStatus(absl::StatusCode::kUnavailable,
                          "the state of this stream {}; open a new stream, which begins with the state in the file",
                          why);
}

}  // namespace

BatchRunner::BatchRunner(Options options, model::LoadedModel loaded, batching::Scheduler& scheduler,
                         std::shared_ptr<metrics::ModelMetrics> metrics, const base::Clock& clock,
                         std::shared_ptr<DeviceHealth> health)
    : options_(std::move(options)),
      limit_{options_.model, options_.version, options_.forward_limit},
      is_stateful_(loaded.model->is_stateful()),
      scheduler_(scheduler),
      metrics_(std::move(metrics)),
      clock_(clock),
      signature_(loaded.model->signature()),
      has_limit_(options_.instances > 0 && UsesAccelerator(loaded)),
      runs_on_cpu_(loaded.model->device().IsCpu()),
      queue_(scheduler.AddQueue(options_.batching, *this)),
      placements_(
          options_.model, options_.version, std::move(loaded), std::move(health), clock, [this] { Unpark(); },
          options_.build_limit),
      forward_({.is_stateful = is_stateful_, .may_split_rows = options_.batching.max_rows > 0}, signature_, placements_,
               clock) {}

BatchRunner::~BatchRunner() { scheduler_.Close(*queue_); }

void BatchRunner::Submit(std::unique_ptr<QueuedTask> task) {
  std::unique_ptr<batching::Task> queued = std::move(task);
  const absl::Status status = scheduler_.Submit(*queue_, queued);
  if (!status.ok()) Drop(std::move(queued), status);
}

void BatchRunner::Drop(std::unique_ptr<batching::Task> task, const absl::Status& why) {
  static_cast<QueuedTask&>(*task).Answer(why);
}

void BatchRunner::OnDepth(int64_t waiting) { metrics_->QueueDepth(waiting); }

void BatchRunner::Run(std::vector<std::unique_ptr<batching::Task>> batch, batching::Scheduler::Runner& runner) {
  const base::RunningModel for_model(options_.model);
  std::vector<Batch> left;  // the next one last
  left.push_back(FromQueue(std::move(batch)));
  for (bool is_first = true; !left.empty(); is_first = false) {
    Batch next = std::move(left.back());
    left.pop_back();
    Placements::Choice choice = ChooseFor(next);
    if (choice.use.has_value()) {
      // What keeps state has one model, whose state it is.
      const bool is_small = runner.is_at_latency_point() && choice.use->small != nullptr && !is_stateful_;
      if (is_small) choice.use->model = choice.use->small;
      const bool is_elsewhere = next.at(0)->tried != 0;
      if (!is_first || is_elsewhere) DropLate(next, is_elsewhere ? choice.use->fastest : base::Duration::zero());
      if (next.empty()) continue;
      std::vector<Batch> more = RunOn(*choice.use, std::move(next), runner);
      std::move(more.rbegin(), more.rend(), std::back_inserter(left));
    } else if (!choice.may_come) {
      for (auto& task : next) task->Answer(task->fault.ok() ? choice.error : task->fault);
    } else if (!Park(next, choice.builds)) {
      left.push_back(std::move(next));
    }
  }
}

Placements::Choice BatchRunner::ChooseFor(const Batch& batch) {
  const QueuedTask& first = *batch.at(0);
  Session* session = first.session();
  if (session == nullptr || (session->model() == nullptr && session->end().ok()))
    return placements_.Choose(first.tried);
  // Its state is where it is.
  Placements::Choice choice;
  if (session->end().ok()) choice.use = placements_.On(session->model()->device());
  if (!choice.use.has_value()) {
    if (session->end().ok())
      session->End(StateIsGone(fmt::format("was on {}, which is lost", tensor::ToString(session->model()->device()))));
    choice.error = session->end();
  }
  return choice;
}

std::vector<Batch> BatchRunner::RunOn(const Placements::Use& use, Batch batch, batching::Scheduler::Runner& runner) {
  if (use.rows.has_value()) {
    // The rest may run at the same time on another worker.
    Batch rest = TakeAfter(batch, *use.rows);
    if (!rest.empty() && !GiveBack(rest)) return InOrder(std::move(batch), std::move(rest));
  }
  const int64_t rows = RowsIn(batch);
  const bool is_on_cpu = use.model->device().IsCpu();
  runs_on_cpu_ = is_on_cpu;
  WatchedBatch watched(limit_, scheduler_, runner, clock_);
  Attempt attempt =
      is_on_cpu && has_limit_ ? ForwardBesideLimit(use, batch, watched) : forward_.Run(use, batch, watched);
  runner.HasComputed();
  Record(use, batch, rows, attempt);
  if (attempt.is_given_up) {
    AfterGivenUp(use, attempt);
    return {};
  }
  if (attempt.outputs.ok()) {
    placements_.RecordRun(use, rows, attempt.ended - attempt.started);
  } else if (model::DeviceFaultOf(attempt.outputs.status()) != model::DeviceFault::kNone) {
    return AfterFault(use, std::move(batch), attempt);
  } else if (attempt.outputs.status().code() == absl::StatusCode::kInternal && batch.size() > 1) {
    return Singles(std::move(batch));
  }
  AnswerAll(use, std::move(batch), std::move(attempt));
  return {};
}

// The pass has ended after all. What its device did is known only now.
void BatchRunner::AfterGivenUp(const Placements::Use& use, const Attempt& attempt) {
  base::LogWarning("forward pass ended after it was given up",
                   {{"model", options_.model},
                    {"version", options_.version},
                    {"seconds", fmt::format("{:.1f}", base::ToSeconds(attempt.ended - attempt.started))}});
  const absl::Status status = attempt.outputs.status();
  if (model::DeviceFaultOf(status) != model::DeviceFault::kNone) placements_.Failed(use, status, 1);
}

std::vector<Batch> BatchRunner::AfterFault(const Placements::Use& use, Batch batch, const Attempt& attempt) {
  const absl::Status& status = attempt.outputs.status();
  const bool is_memory = model::DeviceFaultOf(status) == model::DeviceFault::kOutOfMemory;
  if (is_memory) use.model->ReleaseCachedMemory();
  placements_.Failed(use, status, is_memory && batch.size() > 1 ? RowsIn(batch) : 1);
  QueuedTask& first = *batch.at(0);
  if (is_stateful_ && attempt.has_run) {
    if (Session* session = first.session()) {
      session->End(StateIsGone(fmt::format("is not known any more, as {} failed while the model ran",
                                           tensor::ToString(use.model->device()))));
    }
    first.Answer(base::Annotate(status, "a model that keeps state is not run twice"));
    return {};
  }
  if (is_memory && batch.size() > 1) return Halves(std::move(batch));
  for (const auto& task : batch) {
    task->tried |= uint64_t{1} << use.index;
    task->fault = status;
    task->batch_key += fmt::format(" not on {}", use.index);  // no company for those that may run there
  }
  std::vector<Batch> again;
  again.push_back(std::move(batch));
  return again;
}

// It leaves its place on the accelerator to another one.
Attempt BatchRunner::ForwardBesideLimit(const Placements::Use& use, const Batch& batch, WatchedBatch& watched) {
  ++on_cpu_;
  scheduler_.RecheckQueues();
  Attempt attempt = forward_.Run(use, batch, watched);
  --on_cpu_;
  return attempt;
}

void BatchRunner::Record(const Placements::Use& use, const Batch& batch, int64_t rows, const Attempt& attempt) {
  const std::string device = tensor::ToString(use.model->device());
  metrics::BatchRecord record{.device = device,
                              .requests = static_cast<int64_t>(batch.size()),
                              .rows = rows,
                              .is_answered = attempt.outputs.ok(),
                              .seconds = base::ToSeconds(attempt.ended - attempt.started),
                              .input_seconds = attempt.times.input,
                              .infer_seconds = attempt.times.infer,
                              .output_seconds = attempt.times.output};
  for (const auto& task : batch) record.queue_seconds += base::ToSeconds(attempt.started - task->enqueued);
  metrics_->BatchDone(record);
  if (use.is_moved) metrics_->OnFallback({.from = use.from, .to = device, .reason = std::string(Name(use.reason))});
}

void BatchRunner::AnswerAll(const Placements::Use& use, Batch batch, Attempt attempt) {
  Execution execution;
  execution.device = tensor::ToString(use.model->device());
  execution.fallback = use.is_fallback;
  execution.fallback_reason = use.reason;
  execution.batch_rows = RowsIn(batch);
  execution.compute_seconds = base::ToSeconds(attempt.ended - attempt.started);
  for (size_t i = 0; i < batch.size(); ++i) {
    QueuedTask& task = *batch[i];
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

void BatchRunner::DropLate(Batch& batch, base::Duration duration) {
  for (auto& task : batch) {
    const absl::Status status = task->CheckTime(clock_.Now(), duration);
    if (status.ok()) continue;
    task->Answer(status);
    task.reset();
  }
  std::erase(batch, nullptr);
}

bool BatchRunner::GiveBack(Batch& batch) {
  std::vector<std::unique_ptr<batching::Task>> tasks = ToQueue(std::move(batch));
  if (scheduler_.Return(*queue_, tasks).ok()) return true;
  batch = FromQueue(std::move(tasks));
  return false;
}

bool BatchRunner::Park(Batch& batch, uint64_t builds) {
  std::vector<std::unique_ptr<batching::Task>> tasks;
  absl::Status status;
  {
    base::MutexLock lock(park_mutex_);
    if (placements_.builds() != builds) return false;
    tasks = ToQueue(std::move(batch));
    status = scheduler_.Park(*queue_, tasks);
  }
  for (auto& task : tasks) Drop(std::move(task), status);
  return true;
}

void BatchRunner::Unpark() {
  base::MutexLock lock(park_mutex_);
  scheduler_.Unpark(*queue_);
}

}  // namespace torchferry::serving
