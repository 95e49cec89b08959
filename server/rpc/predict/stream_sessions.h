// The sessions with stateful models that a stream keeps between its requests.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "server/base/mutex.h"
#include "server/rpc/predict/flights.h"
#include "server/serving/servable.h"

namespace torchferry::rpc {

// Each stream has one. It holds the versions that the stream has state with until the stream ends, or until one is
// unloaded. After an unload the state is gone at once, and the stream is told at its next request. Calls of one stream
// come one after another, and so do its requests to one stateful model.
class StreamSessions {
 public:
  StreamSessions() = default;
  ~StreamSessions();
  StreamSessions(const StreamSessions&) = delete;
  StreamSessions& operator=(const StreamSessions&) = delete;

  // The version that answers for `model`: the one that this stream has state with. `version` 0: the version that its
  // first request without one got, even if a newer one is READY now. Null: ask the registry. NOT_FOUND: the version was
  // unloaded.
  absl::StatusOr<std::shared_ptr<serving::Servable>> Find(const std::string& model, int64_t version) const;

  // Takes the stream's place among those of the model, from its first request for the model on. RESOURCE_EXHAUSTED: no
  // place is free; the stream may ask again.
  absl::Status TakePlace(Flights& flights, const std::string& model, const serving::FlightLimits& limits);

  // Whether the stream has a state with some model. Callable from any thread.
  bool HasState() const;

  // The session with `servable` for one request; the first call opens it. The session is idle when the last copy of the
  // result is dropped. `version` is the one that was asked for. Null: the model has no state. RESOURCE_EXHAUSTED: the
  // model has no place left; the stream may ask again. ABORTED: the session was idle and has given way to another
  // stream's.
  absl::StatusOr<std::shared_ptr<serving::Session>> SessionWith(const std::shared_ptr<serving::Servable>& servable,
                                                                int64_t version);

 private:
  struct Entry {
    std::string model;
    int64_t version = 0;
    std::shared_ptr<serving::Servable> servable;  // null: it was unloaded
    std::shared_ptr<serving::Session> session;
    bool is_newest = false;  // found for version 0
    int subscription = 0;    // to the servable's unloading
  };
  // Shared with the servables, which tell on other threads that they are unloaded.
  struct Entries {
    base::Mutex mutex;
    std::vector<Entry> list FERRY_GUARDED_BY(mutex);
  };
  std::map<std::string, Flights::Place> places_;  // by model
  const std::shared_ptr<Entries> entries_ = std::make_shared<Entries>();
};

}  // namespace torchferry::rpc
