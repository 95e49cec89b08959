// One version of a model, ready to answer.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/base/subscribers.h"
#include "server/batching/scheduler.h"
#include "server/metrics/metrics.h"
#include "server/model/loaded_model.h"
#include "server/serving/device_health.h"
#include "server/serving/flight_limits.h"
#include "server/serving/idle_jobs.h"
#include "server/serving/placements.h"
#include "server/serving/predict_task.h"
#include "server/serving/session.h"
#include "server/tensor/padding.h"

namespace torchferry::serving {

class BatchRunner;

// Thread-safe.
class Servable {
 public:
  struct Options {
    std::string name;
    int64_t version = 0;
    batching::BatchOptions batching;
    // Batches at the same time on an accelerator; 0: as many as there are workers, as on the CPU.
    int instances = 0;
    // How long a request may wait, whatever its deadline; 0: no limit.
    base::Duration queue_timeout{0};
    // Of a request that names no priority, where `batching` has levels of it.
    uint32_t default_priority = 0;
    FlightLimits flight_limits;
    // How long one forward pass may take; 0: no limit. Beyond it, its requests get DEADLINE_EXCEEDED, and the version
    // is suspect until the pass has ended: what waits and what comes gets UNAVAILABLE.
    base::Duration forward_limit{0};
    // Of the making of a placement.
    BuildLimit build_limit{};
    // Sessions of a stateful model at the same time. Each holds a copy of what the model can write.
    int64_t max_sessions = 256;
    // A session that has been idle for so long gives way to a new one (SessionLimit).
    base::Duration max_session_idle = base::Duration::max();
    // How requests of several lengths become one length; absent: they do not.
    std::optional<tensor::PadPlan> pad_plan;
    // How batches are formed once an idle job has found a better way to run the model (IdleTurn::Replace). Null: as
    // before.
    std::function<batching::BatchOptions(const model::ModelInfo& better)> rebatch = nullptr;
    // The names of an output's classes.
    std::map<std::string, std::vector<std::string>> labels;
  };

  // `health`: of the devices of `loaded`, and of this process.
  Servable(Options options, model::LoadedModel loaded, batching::Scheduler& scheduler,
           std::shared_ptr<metrics::ModelMetrics> metrics, const base::Clock& clock,
           std::shared_ptr<DeviceHealth> health);
  // Drops what waits and waits for what runs. Not from a worker.
  ~Servable();
  Servable(const Servable&) = delete;
  Servable& operator=(const Servable&) = delete;

  const std::string& name() const { return options_.name; }
  int64_t version() const { return options_.version; }
  const tensor::Signature& signature() const;
  // Null where there is none: requests are then as they come.
  const tensor::PadPlan* pad_plan() const { return options_.pad_plan.has_value() ? &*options_.pad_plan : nullptr; }
  // Empty where the configuration names none.
  const std::vector<std::string>& labels(const std::string& output) const;
  // `listener` hears that the version is suspect, and why, or with OK that it is so no longer; on the watch's thread.
  // Set before the first Submit.
  void OnSuspect(std::function<void(const absl::Status& why)> listener) { on_suspect_ = std::move(listener); }
  // Why it is suspect; OK: it is not.
  absl::Status suspect() const;

  // A forward pass, the making of a placement, or a piece of an idle job does not end.
  bool is_stuck() const;

  // Drops what waits, and takes no more. The destructor does so too, and waits.
  void BeginClose();
  // After that: whether nothing of it runs any more, a forward pass, the making of a placement or a piece of an idle
  // job. Waits for that until `until`.
  bool HasEnded(base::TimePoint until);

  // What is left to do while the server is idle; never null. For whoever has a thread for it.
  const std::shared_ptr<IdleJobs>& idle_jobs() const { return idle_jobs_; }

  // Where requests run now, and the facts about that.
  model::PlacedModel placement() const;
  MemoryUse memory() const;
  // False when no device is left to run on.
  bool can_run() const;
  bool batches() const { return options_.batching.max_rows > 0; }
  bool is_stateful() const { return is_stateful_; }
  const FlightLimits& flight_limits() const { return options_.flight_limits; }
  // The level of a request that asks for `priority`: 1 is the highest, 0 the model's default. 0 where the model has one
  // level, whatever is asked for. INVALID_ARGUMENT beyond the levels.
  absl::StatusOr<uint32_t> PriorityOf(uint64_t priority) const;
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

  // Of a stateful model: a client's own state, until it is dropped or gives way (Session::Use). RESOURCE_EXHAUSTED when
  // max_sessions are open that do not.
  absl::StatusOr<std::shared_ptr<Session>> OpenSession();

  // It was taken out of service by hand: calls the listeners of OnUnload. The second time it does nothing.
  void Unload();
  // `listener` is called once, without a lock held: on the thread that unloads, or on this one if that has been. Gives
  // what Unsubscribe takes; 0, which it ignores, if `listener` was called here.
  int OnUnload(std::function<void()> listener);
  // Waits for a call that runs. Not from the listener.
  void Unsubscribe(int subscription);

 private:
  void SetSuspect(const absl::Status& why);
  void Replace(model::PlacedModel better);

  const Options options_;
  const bool is_stateful_;
  const std::shared_ptr<metrics::ModelMetrics> metrics_;
  const base::Clock& clock_;
  const std::shared_ptr<SessionLimit> sessions_;

  base::Mutex unload_mutex_;
  bool is_unloaded_ FERRY_GUARDED_BY(unload_mutex_) = false;
  base::Subscribers<> unload_listeners_;

  std::function<void(const absl::Status&)> on_suspect_;  // constant after the first Submit
  mutable base::Mutex suspect_mutex_;
  absl::Status suspect_ FERRY_GUARDED_BY(suspect_mutex_);

  // These two are constant after construction. The last fields, so that they end first: the last answers may look at
  // the others.
  std::shared_ptr<IdleJobs> idle_jobs_;
  std::unique_ptr<BatchRunner> runner_;
};

}  // namespace torchferry::serving
