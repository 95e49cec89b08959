// A request in a servable's queue.
#pragma once

#include <utility>

#include "server/base/status.h"
#include "server/serving/servable.h"

namespace torchferry::serving {

// Answers exactly once: at the latest, with INTERNAL, when it is destroyed unanswered.
class Servable::QueuedTask final : public batching::Task {
 public:
  // `waits_until`: after which it is not run; its own deadline or earlier.
  QueuedTask(PredictTask task, base::TimePoint waits_until) : request_(std::move(task)) {
    rows = request_.inputs.rows;
    deadline = waits_until;
    if (request_.session != nullptr) lane = request_.session->lane();
  }
  ~QueuedTask() override {
    if (request_.done) Answer(absl::InternalError("the server lost the request; please report this"));
  }

  bool IsCancelled() const override { return request_.is_cancelled && request_.is_cancelled(); }
  const tensor::BoundInputs& inputs() const { return request_.inputs; }
  Session* session() const { return request_.session.get(); }
  // By which it must be answered.
  base::TimePoint answer_by() const { return request_.deadline; }

  void Answer(absl::StatusOr<PredictResult> result) {
    const PredictCallback done = std::exchange(request_.done, nullptr);
    if (done) done(std::move(result));
  }

  uint64_t tried = 0;  // placements that it has met faults on, a bit for each
  absl::Status fault;  // the last of these

 private:
  PredictTask request_;
};

}  // namespace torchferry::serving
