// One client's state with a stateful model.
#pragma once

#include <absl/status/statusor.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "server/model/model.h"
#include "server/serving/device_health.h"

namespace torchferry::serving {

class Session;

// How many sessions of one version there may be. Thread-safe.
class SessionLimit {
 public:
  explicit SessionLimit(int64_t limit) : limit_(limit) {}

  // Null when `limit` sessions are open. The place is free again when the session is destroyed.
  static std::shared_ptr<Session> Open(const std::shared_ptr<SessionLimit>& places);

  int64_t limit() const { return limit_; }
  int64_t open() const { return open_; }

 private:
  friend class Session;

  const int64_t limit_;
  std::atomic<int64_t> open_{0};
  std::atomic<uint64_t> last_lane_{0};
};

// A copy of the model that only this client's requests run on, one at a time and in order: they are
// tasks of one lane (Task::lane). It may be dropped on any thread, and outlive its servable.
class Session {
 public:
  // Use SessionLimit::Open.
  Session(std::shared_ptr<SessionLimit> places, uint64_t lane) : places_(std::move(places)), lane_(lane) {}
  ~Session() { --places_->open_; }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  uint64_t lane() const { return lane_; }

  // OK, or why there is no state any more. As ModelFrom, not thread-safe.
  const absl::Status& end() const { return end_; }
  // The state is gone; `why` is what every further request is told. The copy goes with it.
  void End(absl::Status why) {
    end_ = std::move(why);
    model_.reset();
  }

  // The copy; null before the first ModelFrom and after End. As ModelFrom, not thread-safe.
  model::Model* model() const { return model_.get(); }

  // The copy, made of `loaded` at the first call: that takes its time, so it is no callback
  // thread's work. It is leaked if its device is lost when it ends. Not thread-safe; the lane sees to that.
  // Model::Clone's errors, after which the next call tries again.
  absl::StatusOr<model::Model*> ModelFrom(const model::Model& loaded,
                                          const std::shared_ptr<const DeviceHealth>& health);

 private:
  const std::shared_ptr<SessionLimit> places_;
  const uint64_t lane_;
  std::shared_ptr<model::Model> model_;
  absl::Status end_;
};

}  // namespace torchferry::serving
