// A request in a servable: as it arrives, waits and runs, and its answer.
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

// The facts of how a request ran.
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

// A request that has passed BindInputs. The bytes of `inputs` stay alive until the callback has been called, and while
// the result of `keep` lives.
struct PredictTask {
  tensor::BoundInputs inputs;
  base::TimePoint deadline = base::kNoDeadline;
  uint32_t priority = 0;               // Servable::PriorityOf
  std::function<bool()> is_cancelled;  // cheap; thread-safe until the callback has been called; null: never cancelled
  // Called at most once, before the callback, if that is called while the forward pass still runs. Its result keeps the
  // bytes alive. Null: the bytes stay anyway.
  std::function<std::shared_ptr<const void>()> keep;
  // Used with a stateful model: this request sees and changes its state. Null: the request starts from the state in the
  // file, and its changes are dropped with its answer.
  std::shared_ptr<Session> session;
  PredictCallback done;
};

// A request in a servable's queue. It is answered exactly once: at the latest, with INTERNAL, when it is destroyed
// unanswered.
class QueuedTask final : public batching::Task {
 public:
  // The task is not run after `waits_until`, which is its own deadline or earlier.
  QueuedTask(PredictTask task, base::TimePoint waits_until);
  ~QueuedTask() override;

  bool IsCancelled() const override { return request_.is_cancelled && request_.is_cancelled(); }
  const tensor::BoundInputs& inputs() const { return request_.inputs; }
  Session* session() const { return request_.session.get(); }
  // The deadline of its answer.
  base::TimePoint answer_by() const { return request_.deadline; }

  // OK if a run of at least `duration` that begins now could still answer it. Else CANCELLED, as the caller went away,
  // or DEADLINE_EXCEEDED.
  absl::Status CheckTime(base::TimePoint now, base::Duration duration) const;

  void Answer(absl::StatusOr<PredictResult> result);

  // Takes the callback, for a caller that answers in this task's place. The task's inputs stay readable, and Answer
  // does nothing any more. No other thread may use the task meanwhile, except by inputs().
  struct Unanswered {
    PredictCallback done;               // null: the task has been answered
    std::shared_ptr<const void> bytes;  // kept until `done` has been called
  };
  Unanswered TakeAnswer();

  uint64_t tried = 0;  // placements on which it has met faults, a bit for each
  absl::Status fault;  // the last of these faults

 private:
  PredictTask request_;
  std::shared_ptr<const void> kept_;  // the bytes of its inputs, if it was answered before its pass ended
};

// Requests that run together.
using Batch = std::vector<std::unique_ptr<QueuedTask>>;

// Converts between a servable's batches and its queue, whose tasks are all QueuedTasks.
Batch FromQueue(std::vector<std::unique_ptr<batching::Task>> tasks);
std::vector<std::unique_ptr<batching::Task>> ToQueue(Batch batch);

// The outcome of a forward pass.
struct Attempt {
  absl::StatusOr<std::vector<model::Outputs>> outputs;  // one for each request of the batch
  bool has_run = false;                                 // the model has run, or may have
  bool is_given_up = false;                             // its requests have been answered meanwhile
  base::TimePoint started{};
  base::TimePoint ended{};
  model::PhaseTimes times;
};

}  // namespace torchferry::serving
