// A request on its way through a servable: as it comes, as it waits, as it runs, and its answer.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/base/clock.h"
#include "server/batching/batch_queue.h"
#include "server/model/model.h"
#include "server/serving/session.h"
#include "server/tensor/fallback_reason.h"
#include "server/tensor/signature.h"

namespace torchferry::serving {

// How a request ran.
struct Execution {
  std::string device;
  bool fallback = false;
  tensor::FallbackReason fallback_reason = tensor::FallbackReason::kNone;  // kNone when !fallback
  int64_t batch_rows = 0;  // rows of the forward pass, the other requests' included
  double queue_seconds = 0;
  double compute_seconds = 0;
};

struct PredictResult {
  model::Outputs outputs;
  Execution execution;
};

// Called exactly once, on a worker's thread or on the submitting one. Must not block.
using PredictCallback = std::function<void(absl::StatusOr<PredictResult>)>;

// A request that has passed BindInputs. The bytes of `inputs` stay alive until the callback has been called, and as
// long as what `keep` gives.
struct PredictTask {
  tensor::BoundInputs inputs;
  base::TimePoint deadline = base::kNoDeadline;
  uint32_t priority = 0;               // Servable::PriorityOf
  std::function<bool()> is_cancelled;  // cheap and thread-safe, until the callback has been called; null: never
  // Called at most once, before the callback, where that does not wait for the forward pass. Null: the bytes stay.
  std::function<std::shared_ptr<const void>()> keep;
  // With a stateful model, whose state this request sees and changes; null: it starts from the
  // state in the file, and what it changes is dropped with its answer.
  std::shared_ptr<Session> session;
  PredictCallback done;
};

// A request in a servable's queue. Answers exactly once: at the latest, with INTERNAL, when it is destroyed unanswered.
class QueuedTask final : public batching::Task {
 public:
  // `waits_until`: after which it is not run; its own deadline or earlier.
  QueuedTask(PredictTask task, base::TimePoint waits_until);
  ~QueuedTask() override;

  bool IsCancelled() const override { return request_.is_cancelled && request_.is_cancelled(); }
  const tensor::BoundInputs& inputs() const { return request_.inputs; }
  Session* session() const { return request_.session.get(); }
  // By which it must be answered.
  base::TimePoint answer_by() const { return request_.deadline; }

  // OK if a run of at least `duration` that begins now could still answer it. Else CANCELLED, as the caller went away,
  // or DEADLINE_EXCEEDED.
  absl::Status CheckTime(base::TimePoint now, base::Duration duration) const;

  void Answer(absl::StatusOr<PredictResult> result);

  // Its answer, for who gives it in this task's place: the task is read on, and Answer does nothing any more. Not while
  // another thread uses it otherwise than by inputs().
  struct Unanswered {
    PredictCallback done;               // null: it has been answered
    std::shared_ptr<const void> bytes;  // until that has been called
  };
  Unanswered TakeAnswer();

  uint64_t tried = 0;  // placements that it has met faults on, a bit for each
  absl::Status fault;  // the last of these

 private:
  PredictTask request_;
  std::shared_ptr<const void> kept_;  // the bytes of its inputs, once it has been answered before its end
};

// Requests that run together.
using Batch = std::vector<std::unique_ptr<QueuedTask>>;

// Between a servable and its queue, all of whose tasks are QueuedTasks.
Batch FromQueue(std::vector<std::unique_ptr<batching::Task>> tasks);
std::vector<std::unique_ptr<batching::Task>> ToQueue(Batch batch);

// How a forward pass ended.
struct Attempt {
  absl::StatusOr<std::vector<model::Outputs>> outputs;  // one for each request of the batch
  bool has_run = false;                                 // the model has, or may have
  bool is_given_up = false;                             // its requests have been answered meanwhile
  base::TimePoint started{};
  base::TimePoint ended{};
  model::PhaseTimes times;
};

}  // namespace torchferry::serving
