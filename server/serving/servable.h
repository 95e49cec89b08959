// One version of a model, ready to answer: its placement, its queue and what happens to a batch.
#pragma once

#include <absl/status/statusor.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/base/subscribers.h"
#include "server/batching/scheduler.h"
#include "server/metrics/metrics.h"
#include "server/model/loaded_model.h"
#include "server/model/model.h"
#include "server/serving/placements.h"
#include "server/serving/session.h"

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

// A request that has passed BindInputs. The bytes of `inputs` stay alive until the callback has been called.
struct PredictTask {
  tensor::BoundInputs inputs;
  base::TimePoint deadline = base::kNoDeadline;
  std::function<bool()> is_cancelled;  // cheap and thread-safe; null: never
  // With a stateful model, whose state this request sees and changes; null: it starts from the
  // state in the file, and what it changes is dropped with its answer.
  std::shared_ptr<Session> session;
  PredictCallback done;
};

// Thread-safe.
class Servable : private batching::Scheduler::Handler {
 public:
  struct Options {
    std::string name;
    int64_t version = 0;
    batching::BatchOptions batching;
    // Batches at the same time on an accelerator; 0: as many as there are workers, as on the CPU.
    int instances = 0;
    // How long a request may wait, whatever its deadline; 0: no limit.
    base::Duration queue_timeout{0};
    // Sessions of a stateful model at the same time. Each holds a copy of what the model can write.
    int64_t max_sessions = 256;
  };

  // `health`: of the devices of `loaded`, and of this process.
  Servable(Options options, model::LoadedModel loaded, batching::Scheduler& scheduler,
           std::shared_ptr<metrics::ModelMetrics> metrics, const base::Clock& clock,
           std::shared_ptr<DeviceHealth> health);
  // Drops what waits and waits for what runs. Not from a worker.
  ~Servable() override;

  const std::string& name() const { return options_.name; }
  int64_t version() const { return options_.version; }
  const tensor::Signature& signature() const { return signature_; }
  // Where requests run now, and the facts about that.
  model::PlacedModel placement() const { return placements_->Now(); }
  // False when no device is left to run on.
  bool can_run() const { return placements_->CanRun(); }
  bool batches() const { return options_.batching.max_rows > 0; }
  bool is_stateful() const { return is_stateful_; }
  int instances() const { return options_.instances; }
  metrics::ModelMetrics& metrics() { return *metrics_; }
  metrics::ModelTotals totals() const { return metrics_->Totals(); }

  // `task.done` gets UNAVAILABLE when the queue is full, DEADLINE_EXCEEDED or CANCELLED when the
  // request ended before its forward pass began, and Model::Predict's errors. When a batch of
  // several requests fails because the model raised, each of them runs once more alone, so that one
  // client's input is not another's error.
  //
  // What a device does is no request's error as long as there is another placement (placements.h) and time: out of
  // memory, a batch runs in halves, down to one row where batches are formed at all, and that on the next placement;
  // after any other fault it runs there as a whole. A request that another run could not answer by its deadline gets
  // DEADLINE_EXCEEDED, as does one whose answer comes after it. Where there is none, the fault's own status.
  //
  // A stateful model runs on copies, is not batched whatever `batching` says, and nothing runs a
  // second time. Requests of one session run one at a time and in order, each seeing the state that
  // the one before has left; one that ended before its forward pass began has not touched it; one
  // that failed in it leaves what the module had written by then. A session is UNAVAILABLE from the first fault of its
  // device on.
  void Submit(PredictTask task);

  // Of a stateful model: a client's own state, until it is dropped. RESOURCE_EXHAUSTED when
  // max_sessions are open.
  absl::StatusOr<std::shared_ptr<Session>> OpenSession();

  // It was taken out of service by hand: calls the listeners of OnUnload. The second time it does nothing.
  void Unload();
  // `listener` is called once, without a lock held: on the thread that unloads, or on this one if that has been. Gives
  // what Unsubscribe takes; 0, which it ignores, if `listener` was called here.
  int OnUnload(std::function<void()> listener);
  // Waits for a call under way. Not from the listener.
  void Unsubscribe(int subscription);

 private:
  class QueuedTask;
  using Batch = std::vector<std::unique_ptr<batching::Task>>;

  // How a forward pass ended.
  struct Attempt {
    absl::StatusOr<std::vector<model::Outputs>> outputs;
    bool has_run = false;  // the model has, or may have
    base::TimePoint started{};
    base::TimePoint ended{};
    model::PhaseTimes times;
  };

  void Run(Batch batch) override;
  void Drop(std::unique_ptr<batching::Task> task, const absl::Status& why) override;
  void OnDepth(int64_t waiting) override;
  // On an accelerator one computes while the next is copied there; with more of them, batches would be smaller.
  int MostAtOnce() const override { return has_limit_ ? options_.instances + on_cpu_ : 0; }
  // An accelerator may hang, or be slow for reasons of its own.
  bool MayRunOnCaller() const override { return runs_on_cpu_; }

  static QueuedTask& First(const Batch& batch);
  Placements::Choice ChooseFor(const Batch& batch);
  // Runs `batch` on `use`. What is left to be done comes back: nothing, or what has to run elsewhere or in smaller
  // batches.
  std::vector<Batch> RunOn(const Placements::Use& use, Batch batch);
  static std::vector<Batch> Two(Batch first, Batch second);
  static std::vector<Batch> Halves(Batch batch);
  // Takes from `batch` what comes after its first tasks of `rows` in sum, of which there is one at least.
  static Batch After(Batch& batch, int64_t rows);
  static std::vector<Batch> Singles(Batch batch);
  std::vector<Batch> AfterFault(const Placements::Use& use, Batch batch, const Attempt& attempt);
  Attempt ForwardBesideLimit(const Placements::Use& use, const Batch& batch);
  Attempt Forward(const Placements::Use& use, const Batch& batch);
  // OK if `task` could still be answered by a run of at least `duration`.
  absl::Status CheckTime(const QueuedTask& task, base::Duration duration) const;
  absl::StatusOr<std::vector<model::Outputs>> ForwardStateful(const Placements::Use& use, const QueuedTask& task,
                                                              Attempt& attempt);
  absl::StatusOr<std::vector<model::Outputs>> ForwardInPieces(const Placements::Use& use, const QueuedTask& task,
                                                              model::PhaseTimes& times);
  void Record(const Placements::Use& use, const Batch& batch, int64_t rows, const Attempt& attempt);
  void AnswerAll(const Placements::Use& use, Batch batch, Attempt attempt);
  // Answers those that a run of at least `duration` could not answer in time, and those whose callers went away.
  void DropLate(Batch& batch, base::Duration duration);
  // Until a placement is made. False when one has been since `builds`.
  bool Park(Batch& batch, uint64_t builds);
  void Unpark();

  const Options options_;
  const tensor::Signature signature_;
  const bool is_stateful_;
  batching::Scheduler& scheduler_;
  const std::shared_ptr<metrics::ModelMetrics> metrics_;
  const base::Clock& clock_;
  const std::shared_ptr<SessionLimit> sessions_;
  std::atomic<bool> runs_on_cpu_;                      // where the last batch did
  const bool has_limit_;                               // it may be on an accelerator, with so many instances
  std::atomic<int> on_cpu_ = 0;                        // then: batches that run on the CPU
  std::shared_ptr<batching::Scheduler::Queue> queue_;  // constant after construction
  std::unique_ptr<Placements> placements_;             // likewise

  base::Mutex park_mutex_;  // between Park and Unpark

  base::Mutex unload_mutex_;
  bool is_unloaded_ FERRY_GUARDED_BY(unload_mutex_) = false;
  base::Subscribers<> unload_listeners_;
};

}  // namespace torchferry::serving
