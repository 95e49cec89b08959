// One client's state with a stateful model.
#pragma once

#include <absl/status/statusor.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>

#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/model/model.h"
#include "server/serving/device_health.h"

namespace torchferry::serving {

class Session;

// The limits for the sessions of one version: their number, and how long one may be idle. Thread-safe.
class SessionLimit {
 public:
  // When all places are taken, a session that has been idle for less than this does not give way.
  static constexpr base::Duration kLeastIdle = std::chrono::seconds(30);

  // `max_idle`: a session that has been idle for this time gives way to any new one.
  explicit SessionLimit(int64_t limit, base::Duration max_idle = base::Duration::max(),
                        const base::Clock& clock = base::Clock::Real())
      : limit_(limit), max_idle_(max_idle), clock_(clock) {}

  // Ends sessions that have been idle for `max_idle`. When no place is free, it ends the one that has been idle for
  // longest. Null when `limit` sessions are open that do not give way. The place is free again when the session is
  // destroyed or gives way.
  static std::shared_ptr<Session> Open(const std::shared_ptr<SessionLimit>& places);

  int64_t limit() const { return limit_; }
  int64_t open() const { return open_; }

 private:
  friend class Session;

  void EndIdle() FERRY_EXCLUDES(mutex_);

  const int64_t limit_;
  const base::Duration max_idle_;
  const base::Clock& clock_;
  std::atomic<int64_t> open_{0};
  std::atomic<uint64_t> last_key_{0};

  base::Mutex mutex_;                                                             // taken before a session's mutex
  std::map<uint64_t, std::weak_ptr<Session>> sessions_ FERRY_GUARDED_BY(mutex_);  // by ordering key
};

// A copy of the model that only this client's requests run on, one at a time and in order. They are tasks with one
// ordering key (Task::ordering_key). A session may be dropped on any thread, and outlive its servable.
class Session {
 public:
  // Use SessionLimit::Open.
  Session(std::shared_ptr<SessionLimit> places, uint64_t ordering_key);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Returns `session` for one request. It is not idle until the last copy of the result is dropped. Null when it has
  // given way to another session. Thread-safe.
  static std::shared_ptr<Session> Use(const std::shared_ptr<Session>& session);

  uint64_t ordering_key() const { return ordering_key_; }

  // OK, or why the state is gone. Not thread-safe, like ModelFrom.
  const absl::Status& end() const { return end_; }
  // Ends the state. Every further request gets `why`. The copy is dropped with it.
  void End(absl::Status why) {
    end_ = std::move(why);
    model_.reset();
  }

  // The copy; null before the first ModelFrom and after End. Not thread-safe, like ModelFrom.
  model::Model* model() const { return model_.get(); }

  // The copy, made from `loaded` at the first call. That takes time, so no callback's thread must call it. The copy is
  // leaked if its device is lost when it ends. Not thread-safe: the ordering key lets one task run at a time, and each
  // holds a Use. Errors are Model::Clone's; the next call tries again.
  absl::StatusOr<model::Model*> ModelFrom(const model::Model& loaded,
                                          const std::shared_ptr<const DeviceHealth>& health);

 private:
  friend class SessionLimit;

  void EndUse();
  // The time that it has been idle; zero while it is used or when it has given way.
  base::Duration IdleAt(base::TimePoint now);
  // Frees its place from now on, and returns its copy, which must be dropped without a lock. Does nothing while the
  // session is used.
  std::shared_ptr<model::Model> GiveWay();

  const std::shared_ptr<SessionLimit> places_;
  const uint64_t ordering_key_;
  std::shared_ptr<model::Model> model_;  // used by the task that runs; by GiveWay while no task does
  absl::Status end_;

  base::Mutex mutex_;
  int uses_ FERRY_GUARDED_BY(mutex_) = 0;
  bool has_given_way_ FERRY_GUARDED_BY(mutex_) = false;
  base::TimePoint idle_since_ FERRY_GUARDED_BY(mutex_);
};

}  // namespace torchferry::serving
