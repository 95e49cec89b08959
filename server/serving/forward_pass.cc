#include "server/serving/forward_pass.h"

#include <algorithm>
#include <utility>

#include "server/base/status.h"
#include "server/model/device_fault.h"
#include "server/serving/leaked_on_loss.h"
#include "server/serving/row_pieces.h"

namespace torchferry::serving {

namespace {

// Nobody is told: the requests have been answered.
absl::Status GivenUp() { return absl::DeadlineExceededError("it was given up"); }

}  // namespace

Attempt ForwardPass::Run(const Placements::Use& use, const Batch& batch, WatchedBatch& watched) {
  Attempt attempt;
  attempt.has_run = true;
  attempt.started = clock_.Now();
  if (options_.is_stateful) {
    attempt.outputs = Stateful(use, batch, watched, attempt);
  } else if (batch.size() == 1) {
    attempt.outputs = InPieces(use, batch, watched, attempt.times);
  } else {
    std::vector<const tensor::BoundInputs*> requests;
    for (const auto& task : batch) requests.push_back(&task->inputs());
    attempt.outputs = watched.Do(batch, [&] { return use.model->Predict(requests, attempt.times); });
  }
  attempt.ended = clock_.Now();
  attempt.is_given_up = watched.is_given_up();
  if (attempt.outputs.ok() && attempt.outputs->size() != batch.size()) {
    attempt.outputs = base::MakeStatus(absl::StatusCode::kInternal, "the model gave {} results for {} requests",
                                       attempt.outputs->size(), batch.size());
  }
  return attempt;
}

ForwardPass::Answers ForwardPass::Stateful(const Placements::Use& use, const Batch& batch, WatchedBatch& watched,
                                           Attempt& attempt) {
  const QueuedTask& task = *batch.at(0);
  const tensor::BoundInputs* const requests[] = {&task.inputs()};
  attempt.has_run = false;
  if (task.session() != nullptr) {
    FERRY_ASSIGN_OR_RETURN(model::Model* const model, watched.Do(batch, [&] {
      return task.session()->ModelFrom(*use.model, placements_.health());
    }));
    if (watched.is_given_up()) return GivenUp();
    attempt.has_run = true;
    return watched.Do(batch, [&] { return model->Predict(requests, attempt.times); });
  }
  FERRY_ASSIGN_OR_RETURN(std::shared_ptr<model::Model> fresh, watched.Do(batch, [&] { return use.model->Clone(); }));
  if (watched.is_given_up()) return GivenUp();
  fresh = LeakedOnLoss(std::move(fresh), placements_.health());
  attempt.has_run = true;
  Answers outputs = watched.Do(batch, [&] { return fresh->Predict(requests, attempt.times); });
  // Before the copy goes, so that it is leaked if it must be.
  if (!outputs.ok())
    placements_.health()->Report(fresh->device(), model::DeviceFaultOf(outputs.status()),
                                 base::MessageOf(outputs.status()));
  return outputs;
}

ForwardPass::Answers ForwardPass::InPieces(const Placements::Use& use, const Batch& batch, WatchedBatch& watched,
                                           model::PhaseTimes& times) {
  const QueuedTask& task = *batch.at(0);
  const tensor::BoundInputs& inputs = task.inputs();
  int64_t most = options_.may_split_rows ? std::max<int64_t>(use.rows.value_or(inputs.rows), 1) : inputs.rows;
  std::vector<model::Outputs> pieces;
  for (int64_t begin = 0; begin < inputs.rows;) {
    const int64_t rows = std::min(most, inputs.rows - begin);
    const bool is_whole = rows == inputs.rows;
    const tensor::BoundInputs piece = is_whole ? tensor::BoundInputs{} : RowsOf(signature_, inputs, begin, rows);
    const tensor::BoundInputs* const requests[] = {is_whole ? &inputs : &piece};
    model::PhaseTimes piece_times;
    Answers outputs = watched.Do(batch, [&] { return use.model->Predict(requests, piece_times); });
    times = {times.input + piece_times.input, times.infer + piece_times.infer, times.output + piece_times.output};
    if (outputs.ok() && is_whole) return outputs;
    const bool may_halve = model::DeviceFaultOf(outputs.status()) == model::DeviceFault::kOutOfMemory && rows > 1 &&
                           options_.may_split_rows;
    if (watched.is_given_up()) return outputs.ok() ? GivenUp() : outputs.status();
    if (may_halve) {
      use.model->ReleaseCachedMemory();
      placements_.Failed(use, outputs.status(), rows);
      most = rows / 2;
    } else {
      FERRY_RETURN_IF_ERROR(outputs.status());
      pieces.push_back(std::move(outputs->at(0)));
      begin += rows;
    }
    if (begin < inputs.rows) FERRY_RETURN_IF_ERROR(task.CheckTime(clock_.Now(), base::Duration::zero()));
  }
  FERRY_ASSIGN_OR_RETURN(model::Outputs joined, JoinRows(pieces));
  return std::vector<model::Outputs>{std::move(joined)};
}

}  // namespace torchferry::serving
