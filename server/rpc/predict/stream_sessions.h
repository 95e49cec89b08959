// What a stream keeps between its requests: its sessions with stateful models.
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

// One for each stream, which holds the versions that it has state with until it ends, or until one is unloaded: its
// state is then gone, at once, and the stream is told when it next asks. A stream's calls of these
// come one after another, and so do its requests to one stateful model.
class StreamSessions {
 public:
  StreamSessions() = default;
  ~StreamSessions();
  StreamSessions(const StreamSessions&) = delete;
  StreamSessions& operator=(const StreamSessions&) = delete;

  // The version that answers for `model`: the one that this stream has state with. `version` 0: the
  // one that it got when it first asked without a version, although a newer one may be READY by
  // now. Null: ask the registry. NOT_FOUND: it was unloaded.
  absl::StatusOr<std::shared_ptr<serving::Servable>> Find(const std::string& model, int64_t version) const;

  // The stream's place among those of the model, which it has from its first request for it on. RESOURCE_EXHAUSTED:
  // there is none; the stream may ask again.
  absl::Status TakePlace(Flights& flights, const std::string& model, const serving::FlightLimits& limits);

  // Whether it has a state with some model. Any thread.
  bool HasState() const;

  // The session with `servable`, opened at the first call, for one request: it is idle when the last copy of what this
  // gives is dropped. `version` is the one that was asked for. Null for a model without state. RESOURCE_EXHAUSTED when
  // it has no place left; the stream may ask again. ABORTED: it was idle and has given way to another stream's.
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
  // Shared with the servables, which say on other threads that they are unloaded.
  struct Entries {
    base::Mutex mutex;
    std::vector<Entry> list FERRY_GUARDED_BY(mutex);
  };
  std::map<std::string, Flights::Place> places_;  // by model
  const std::shared_ptr<Entries> entries_ = std::make_shared<Entries>();
};

}  // namespace torchferry::rpc
