// One version of a model, ready to answer requests.
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
    // Max batches at the same time on an accelerator; 0: as many as there are workers, as on the CPU.
    int instances = 0;
    // Max time that a request may wait, whatever its deadline; 0: no limit.
    base::Duration queue_timeout{0};
    // The priority of a request that names none, where `batching` has priority levels.
    uint32_t default_priority = 0;
    FlightLimits flight_limits;
    // Max time of one forward pass; 0: no limit. Over it, the pass's requests get DEADLINE_EXCEEDED, and the version is
    // suspect until the pass has ended. Meanwhile waiting and new requests get UNAVAILABLE.
    base::Duration forward_limit{0};
    // The limit for making a placement.
    BuildLimit build_limit{};
    // Max sessions of a stateful model at the same time. Each holds a copy of the state that the model can write.
    int64_t max_sessions = 256;
    // A session that has been idle for this time gives way to a new one (SessionLimit).
    base::Duration max_session_idle = base::Duration::max();
    // The padding of requests of several lengths to one length; absent: no padding.
    std::optional<tensor::PadPlan> pad_plan;
    // The batching once an idle job has found a better way to run the model (IdleTurn::Replace). Null: batching stays
    // as before.
    std::function<batching::BatchOptions(const model::ModelInfo& better)> rebatch = nullptr;
    // The names of an output's classes, by output.
    std::map<std::string, std::vector<std::string>> labels;
  };

  // `health`: the state of this process's devices, those of `loaded` included.
  Servable(Options options, model::LoadedModel loaded, batching::Scheduler& scheduler,
           std::shared_ptr<metrics::ModelMetrics> metrics, const base::Clock& clock,
           std::shared_ptr<DeviceHealth> health);
  // Drops waiting requests and waits for running batches. A worker must not call it.
  ~Servable();
  Servable(const Servable&) = delete;
  Servable& operator=(const Servable&) = delete;

  const std::string& name() const { return options_.name; }
  int64_t version() const { return options_.version; }
  const tensor::Signature& signature() const;
  // Null without a plan: requests then run with the lengths that they have.
  const tensor::PadPlan* pad_plan() const { return options_.pad_plan.has_value() ? &*options_.pad_plan : nullptr; }
  // Empty where the configuration names none.
  const std::vector<std::string>& labels(const std::string& output) const;
  // `listener` is called when the version becomes suspect, with the reason, or with OK when it no longer is. It runs on
  // the watch's thread. Set it before the first Submit.
  void OnSuspect(std::function<void(const absl::Status& why)> listener) { on_suspect_ = std::move(listener); }
  // The reason why it is suspect; OK: it is not.
  absl::Status suspect() const;

  // Whether a forward pass, the making of a placement, or a piece of an idle job does not end.
  bool is_stuck() const;

  // Drops waiting requests, and accepts no more. The destructor does so too, and waits.
  void BeginClose();
  // Call it after BeginClose: whether no forward pass, no making of a placement and no piece of an idle job runs any
  // more. Waits for that until `until`.
  bool HasEnded(base::TimePoint until);

  // The jobs that are left for when the server is idle; never null. A caller with a thread for them runs them.
  const std::shared_ptr<IdleJobs>& idle_jobs() const { return idle_jobs_; }

  // The placement on which requests run now, and the facts about it.
  model::PlacedModel placement() const;
  MemoryUse memory() const;
  // False when no device is left to run on.
  bool can_run() const;
  bool batches() const { return options_.batching.max_rows > 0; }
  bool is_stateful() const { return is_stateful_; }
  const FlightLimits& flight_limits() const { return options_.flight_limits; }
  // The level of a request that asks for `priority`: 1 is the highest, 0 the model's default. Always 0 where the model
  // has one level. INVALID_ARGUMENT beyond the levels.
  absl::StatusOr<uint32_t> PriorityOf(uint64_t priority) const;
  int instances() const { return options_.instances; }
  metrics::ModelMetrics& metrics() { return *metrics_; }
  metrics::ModelTotals totals() const { return metrics_->Totals(); }

  // `task.done` gets UNAVAILABLE when the queue is full, and Model::Predict's errors. It gets DEADLINE_EXCEEDED or
  // CANCELLED when the request ended before its forward pass began. When a batch of several requests fails because the
  // model raised, each request runs once more alone. One client's input is thus no error for another.
  //
  // A device's fault is not a request's error while there is another placement (placements.h) and time. Out of memory,
  // a batch runs in halves, and one request in pieces, down to one row, where batches are formed at all. If one row
  // does not fit, it runs on the next placement. After any other fault the batch runs on the next placement as a whole.
  // A request that another run could not answer by its deadline gets DEADLINE_EXCEEDED, as does one whose answer is
  // late. Without another placement, the request gets the fault's own status.
  //
  // A stateful model runs on copies. It is not batched, whatever `batching` says, and nothing runs twice. Requests of
  // one session run one at a time and in order, and each sees the state that the one before has left. A request that
  // ended before its forward pass began has not changed the state. One that failed in the pass leaves the state that
  // the module had written by then. A session is UNAVAILABLE from the first fault of its device on.
  void Submit(PredictTask task);

  // Opens a client's own state of a stateful model. It lives until it is dropped or gives way (Session::Use).
  // RESOURCE_EXHAUSTED when max_sessions are open that do not give way.
  absl::StatusOr<std::shared_ptr<Session>> OpenSession();

  // The version was unloaded by hand: calls the listeners of OnUnload. A second call does nothing.
  void Unload();
  // `listener` is called once, without a lock held: on the thread that unloads, or on this one if the version is
  // unloaded already. Returns the number for Unsubscribe; 0, which that ignores, if `listener` was called here.
  int OnUnload(std::function<void()> listener);
  // Waits for a running call. The listener must not call it.
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

  // These two are constant after construction. They are the last fields, so that they end first: the last answers may
  // use the other fields.
  std::shared_ptr<IdleJobs> idle_jobs_;
  std::unique_ptr<BatchRunner> runner_;
};

}  // namespace torchferry::serving
