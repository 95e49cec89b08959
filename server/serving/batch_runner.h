// What becomes of a servable's batches: where each runs, what follows when the device fails, and the answers.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/batching/scheduler.h"
#include "server/metrics/metrics.h"
#include "server/model/loaded_model.h"
#include "server/serving/forward_pass.h"
#include "server/serving/placements.h"
#include "server/serving/predict_task.h"

namespace torchferry::serving {

// Has a queue in the scheduler, and the model's placements. Servable::Submit says what its requests may expect.
// Thread-safe.
class BatchRunner final : private batching::Scheduler::Handler {
 public:
  struct Options {
    std::string model;
    int64_t version = 0;
    batching::BatchOptions batching;
    int instances = 0;                // as Servable::Options::instances
    base::Duration forward_limit{0};  // likewise
    BuildLimit build_limit{};
    std::function<void(const absl::Status&)> on_suspect;  // as Scheduler::Handler::OnSuspect; null: nobody cares
  };

  // `scheduler` and `clock` must outlive it.
  BatchRunner(Options options, model::LoadedModel loaded, batching::Scheduler& scheduler,
              std::shared_ptr<metrics::ModelMetrics> metrics, const base::Clock& clock,
              std::shared_ptr<DeviceHealth> health);
  // Drops what waits and waits for what runs. Not from a worker.
  ~BatchRunner() override;

  void Submit(std::unique_ptr<QueuedTask> task);
  // Drops what waits, and takes no more.
  void BeginClose() { scheduler_.BeginClose(*queue_); }
  // After that: whether nothing runs any more, which is waited for until `until`.
  bool HasEnded(base::TimePoint until) { return scheduler_.HasEnded(*queue_, until); }

  // From the next batch on. Batches are formed as before, or they are not as before.
  void SetBatching(batching::BatchOptions options) { scheduler_.SetOptions(*queue_, std::move(options)); }

  const tensor::Signature& signature() const { return signature_; }
  Placements& placements() { return placements_; }

 private:
  void Run(std::vector<std::unique_ptr<batching::Task>> batch, batching::Scheduler::Runner& runner) override;
  void Drop(std::unique_ptr<batching::Task> task, const absl::Status& why) override;
  void OnDepth(int64_t waiting) override;
  void OnSuspect(const absl::Status& why) override {
    if (options_.on_suspect) options_.on_suspect(why);
  }
  // On an accelerator one computes while the next is copied there; with more of them, batches would be smaller.
  int MaxAtOnce() const override { return has_limit_ ? options_.instances + on_cpu_ : 0; }
  // An accelerator may hang, or be slow for reasons of its own.
  bool MayRunOnCaller() const override { return runs_on_cpu_; }

  Placements::Choice ChooseFor(const Batch& batch);
  // Runs `batch` on `use`. What is left to be done comes back: nothing, or what has to run elsewhere or in smaller
  // batches.
  std::vector<Batch> RunOn(const Placements::Use& use, Batch batch, batching::Scheduler::Runner& runner);
  std::vector<Batch> AfterFault(const Placements::Use& use, Batch batch, const Attempt& attempt);
  void AfterGivenUp(const Placements::Use& use, const Attempt& attempt);
  Attempt ForwardBesideLimit(const Placements::Use& use, const Batch& batch, WatchedBatch& watched);
  void Record(const Placements::Use& use, const Batch& batch, int64_t rows, const Attempt& attempt);
  void AnswerAll(const Placements::Use& use, Batch batch, Attempt attempt);
  // Answers those that a run of at least `duration` could not answer in time, and those whose callers went away.
  void DropLate(Batch& batch, base::Duration duration);
  // Back to the queue, before all that wait. False when that is closed; `batch` is then as it was.
  bool GiveBack(Batch& batch);
  // Until a placement is made. False when one has been since `builds`.
  bool Park(Batch& batch, uint64_t builds);
  void Unpark();

  const Options options_;
  const PassLimit limit_;
  const bool is_stateful_;
  batching::Scheduler& scheduler_;
  const std::shared_ptr<metrics::ModelMetrics> metrics_;
  const base::Clock& clock_;
  const tensor::Signature signature_;
  const bool has_limit_;           // it may be on an accelerator, with so many instances
  std::atomic<bool> runs_on_cpu_;  // where the last batch did
  std::atomic<int> on_cpu_ = 0;    // where there is a limit: batches that run on the CPU, beside it
  const std::shared_ptr<batching::Scheduler::Queue> queue_;

  base::Mutex park_mutex_;  // between Park and Unpark

  Placements placements_;  // after what Unpark uses
  ForwardPass forward_;
};

}  // namespace torchferry::serving
