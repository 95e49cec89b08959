// One version of a model, ready to answer.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/base/subscribers.h"
#include "server/batching/scheduler.h"
#include "server/metrics/metrics.h"
#include "server/model/loaded_model.h"
#include "server/serving/device_health.h"
#include "server/serving/predict_task.h"
#include "server/serving/session.h"

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
    // Sessions of a stateful model at the same time. Each holds a copy of what the model can write.
    int64_t max_sessions = 256;
    // A session that has been idle for so long gives way to a new one (SessionLimit).
    base::Duration most_session_idle = base::Duration::max();
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
  // Where requests run now, and the facts about that.
  model::PlacedModel placement() const;
  // False when no device is left to run on.
  bool can_run() const;
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

  // Of a stateful model: a client's own state, until it is dropped or gives way (Session::Use). RESOURCE_EXHAUSTED when
  // max_sessions are open that do not.
  absl::StatusOr<std::shared_ptr<Session>> OpenSession();

  // It was taken out of service by hand: calls the listeners of OnUnload. The second time it does nothing.
  void Unload();
  // `listener` is called once, without a lock held: on the thread that unloads, or on this one if that has been. Gives
  // what Unsubscribe takes; 0, which it ignores, if `listener` was called here.
  int OnUnload(std::function<void()> listener);
  // Waits for a call under way. Not from the listener.
  void Unsubscribe(int subscription);

 private:
  const Options options_;
  const bool is_stateful_;
  const std::shared_ptr<metrics::ModelMetrics> metrics_;
  const base::Clock& clock_;
  const std::shared_ptr<SessionLimit> sessions_;

  base::Mutex unload_mutex_;
  bool is_unloaded_ FERRY_GUARDED_BY(unload_mutex_) = false;
  base::Subscribers<> unload_listeners_;

  // Constant after construction. The last field, so that it ends first: its last answers may look at the others.
  std::unique_ptr<BatchRunner> runner_;
};

}  // namespace torchferry::serving
