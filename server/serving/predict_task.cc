#include "server/serving/predict_task.h"

#include <utility>

#include "server/base/status.h"

namespace torchferry::serving {

namespace {

int64_t BytesOf(const tensor::BoundInputs& inputs) {
  int64_t bytes = 0;
  for (const auto& tensors : inputs.values) {
    for (const tensor::HostTensor& tensor : tensors) bytes += static_cast<int64_t>(tensor.bytes.size());
  }
  return bytes;
}

}  // namespace

QueuedTask::QueuedTask(PredictTask task, base::TimePoint waits_until) : request_(std::move(task)) {
  rows = request_.inputs.rows;
  bytes = BytesOf(request_.inputs);
  priority = request_.priority;
  deadline = waits_until;
  if (request_.session != nullptr) ordering_key = request_.session->ordering_key();
}

QueuedTask::~QueuedTask() {
  if (request_.done) Answer(absl::InternalError("the server lost the request; please report this"));
}

absl::Status QueuedTask::CheckTime(base::TimePoint now, base::Duration duration) const {
  if (IsCancelled()) return absl::CancelledError("the caller went away; the request was not run again");
  if (answer_by() - now >= duration) return absl::OkStatus();
  return base::MakeStatus(absl::StatusCode::kDeadlineExceeded, "no time is left to run the request again{}{}",
                          fault.ok() ? "" : ", after: ", base::MessageOf(fault));
}

void QueuedTask::Answer(absl::StatusOr<PredictResult> result) {
  const PredictCallback done = std::exchange(request_.done, nullptr);
  if (done) done(std::move(result));
}

QueuedTask::Unanswered QueuedTask::TakeAnswer() {
  if (request_.done && request_.keep) kept_ = request_.keep();
  request_.keep = nullptr;
  request_.is_cancelled = nullptr;
  return {std::exchange(request_.done, nullptr), kept_};
}

Batch FromQueue(std::vector<std::unique_ptr<batching::Task>> tasks) {
  Batch batch;
  batch.reserve(tasks.size());
  for (auto& task : tasks) batch.emplace_back(static_cast<QueuedTask*>(task.release()));
  return batch;
}

std::vector<std::unique_ptr<batching::Task>> ToQueue(Batch batch) {
  return {std::make_move_iterator(batch.begin()), std::make_move_iterator(batch.end())};
}

}  // namespace torchferry::serving
