// Runs a servable's batches: chooses where each runs, handles device faults, and answers the requests.
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

// Owns a queue in the scheduler, and the model's placements. Servable::Submit says what its requests may expect.
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
    std::function<void(const absl::Status&)> on_suspect;  // as Scheduler::Handler::OnSuspect; may be null
  };

  // `scheduler` and `clock` must outlive it.
  BatchRunner(Options options, model::LoadedModel loaded, batching::Scheduler& scheduler,
              std::shared_ptr<metrics::ModelMetrics> metrics, const base::Clock& clock,
              std::shared_ptr<DeviceHealth> health);
  // Drops waiting requests and waits for running batches. A worker must not call it.
  ~BatchRunner() override;

  void Submit(std::unique_ptr<QueuedTask> task);
  // Drops waiting requests, and accepts no more.
  void BeginClose() { scheduler_.BeginClose(*queue_); }
  // Call it after BeginClose: whether no batch runs any more. Waits for that until `until`.
  bool HasEnded(base::TimePoint until) { return scheduler_.HasEnded(*queue_, until); }

  // Takes effect with the next batch. It cannot change whether batches are formed at all.
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
  // On an accelerator, one batch computes while the next is copied there. More instances would make batches smaller.
  int MaxAtOnce() const override { return has_limit_ ? options_.instances + on_cpu_ : 0; }
  // An accelerator may hang, or be slow for reasons of its own, so its batches run only on workers.
  bool MayRunOnCaller() const override { return runs_on_cpu_; }

  Placements::Choice ChooseFor(const Batch& batch);
  // Runs `batch` on `use`. Returns the work that is left: nothing, or batches that must run elsewhere or in smaller
  // parts.
  std::vector<Batch> RunOn(const Placements::Use& use, Batch batch, batching::Scheduler::Runner& runner);
  std::vector<Batch> AfterFault(const Placements::Use& use, Batch batch, const Attempt& attempt);
  void AfterGivenUp(const Placements::Use& use, const Attempt& attempt);
  Attempt ForwardBesideLimit(const Placements::Use& use, const Batch& batch, WatchedBatch& watched);
  void Record(const Placements::Use& use, const Batch& batch, int64_t rows, const Attempt& attempt);
  void AnswerAll(const Placements::Use& use, Batch batch, Attempt attempt);
  // Answers the requests that a run of at least `duration` could not answer in time, and those whose callers went away.
  void DropLate(Batch& batch, base::Duration duration);
  // Returns `batch` to the head of the queue. False when the queue is closed; `batch` is unchanged then.
  bool GiveBack(Batch& batch);
  // Parks `batch` until a placement is made. False when one was made since `builds`.
  bool Park(Batch& batch, uint64_t builds);
  void Unpark();

  const Options options_;
  const PassLimit limit_;
  const bool is_stateful_;
  batching::Scheduler& scheduler_;
  const std::shared_ptr<metrics::ModelMetrics> metrics_;
  const base::Clock& clock_;
  const tensor::Signature signature_;
  const bool has_limit_;           // the version may run on an accelerator, and `instances` limits its batches there
  std::atomic<bool> runs_on_cpu_;  // whether the last batch ran there
  std::atomic<int> on_cpu_ = 0;    // with has_limit_: batches that run on the CPU, which `instances` does not limit
  const std::shared_ptr<batching::Scheduler::Queue> queue_;

  base::Mutex park_mutex_;  // held during Park and Unpark

  Placements placements_;  // ends before the fields that Unpark uses
  ForwardPass forward_;
};

}  // namespace torchferry::serving
