// One version of a model, ready to answer: its placement, its queue and what happens to a batch.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "server/base/clock.h"
#include "server/batching/scheduler.h"
#include "server/metrics/metrics.h"
#include "server/model/loaded_model.h"
#include "server/model/model.h"
#include "server/serving/session.h"

namespace torchferry {

// How a request ran.
struct Execution {
  std::string device;
  bool fallback = false;
  std::string fallback_reason;  // as in Fallback::reason; empty when !fallback
  int64_t batch_rows = 0;       // rows of the forward pass, the other requests' included
  double queue_seconds = 0;
  double compute_seconds = 0;
};

struct PredictResult {
  Outputs outputs;
  Execution execution;
};

// Called exactly once, on a worker's thread or on the submitting one. Must not block.
using PredictCallback = std::function<void(absl::StatusOr<PredictResult>)>;

// A request that has passed BindInputs. The bytes of `inputs` stay alive until the callback has been called.
struct PredictTask {
  BoundInputs inputs;
  TimePoint deadline = kNoDeadline;
  std::function<bool()> is_cancelled;  // cheap and thread-safe; null: never
  // With a stateful model, whose state this request sees and changes; null: it starts from the
  // state in the file, and what it changes is dropped with its answer.
  std::shared_ptr<Session> session;
  PredictCallback done;
};

// Thread-safe.
class Servable : private Scheduler::Handler {
 public:
  struct Options {
    std::string name;
    int64_t version = 0;
    BatchOptions batching;
    // Batches at the same time; 0: as many as there are workers.
    int max_concurrency = 0;
    // How long a request may wait, whatever its deadline; 0: no limit.
    Duration queue_timeout{0};
    // Sessions of a stateful model at the same time. Each holds a copy of what the model can write.
    int64_t max_sessions = 256;
  };

  Servable(Options options, LoadedModel loaded, Scheduler& scheduler, std::shared_ptr<ModelMetrics> metrics,
           const Clock& clock);
  // Drops what waits and waits for what runs. Not from a worker.
  ~Servable() override;

  const std::string& name() const { return options_.name; }
  int64_t version() const { return options_.version; }
  const Signature& signature() const { return loaded_.model->signature(); }
  const DeviceId& device() const { return loaded_.model->device(); }
  const ModelInfo& info() const { return loaded_.info; }
  bool batches() const { return options_.batching.max_rows > 0; }
  bool is_stateful() const { return loaded_.model->is_stateful(); }
  ModelMetrics& metrics() { return *metrics_; }
  ModelTotals totals() const { return metrics_->Totals(); }

  // `task.done` gets UNAVAILABLE when the queue is full, DEADLINE_EXCEEDED or CANCELLED when the
  // request ended before its forward pass began, and Model::Predict's errors. When a batch of
  // several requests fails because the model raised, each of them runs once more alone, so that one
  // client's input is not another's error.
  //
  // A stateful model runs on copies, is not batched whatever `batching` says, and nothing runs a
  // second time. Requests of one session run one at a time and in order, each seeing the state that
  // the one before has left; one that ended before its forward pass began has not touched it; one
  // that failed in it leaves what the module had written by then.
  void Submit(PredictTask task);

  // Of a stateful model: a client's own state, until it is dropped. RESOURCE_EXHAUSTED when
  // max_sessions are open.
  absl::StatusOr<std::shared_ptr<Session>> OpenSession();

 private:
  class QueuedTask;

  void Run(std::vector<std::unique_ptr<Task>> batch) override;
  void Drop(std::unique_ptr<Task> task, const absl::Status& why) override;
  void OnDepth(int64_t waiting) override;

  void RunTogether(std::vector<std::unique_ptr<Task>> batch);
  absl::StatusOr<std::vector<Outputs>> Forward(const QueuedTask& first,
                                               std::span<const BoundInputs* const> requests, PhaseTimes& times);
  Execution ExecutionOf(const QueuedTask& task, TimePoint started, TimePoint ended, int64_t rows) const;

  const Options options_;
  const LoadedModel loaded_;
  Scheduler& scheduler_;
  const std::shared_ptr<ModelMetrics> metrics_;
  const Clock& clock_;
  const std::shared_ptr<SessionLimit> sessions_;
  std::shared_ptr<Scheduler::Queue> queue_;  // constant after construction
};

}  // namespace torchferry
