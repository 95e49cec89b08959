// What a stream keeps between its requests: its sessions with stateful models.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "server/serving/servable.h"

namespace torchferry {

// One for each stream, which holds the versions that it has state with until it ends. Not
// thread-safe: a stream's requests come one after another.
class StreamSessions {
 public:
  // The version that answers for `model`: the one that this stream has state with. `version` 0: the
  // one that it got when it first asked without a version, although a newer one may be READY by
  // now. Null: ask the registry.
  std::shared_ptr<Servable> Find(const std::string& model, int64_t version) const;

  // The session with `servable`, opened at the first call. `version` is the one that was asked for.
  // Null for a model without state. RESOURCE_EXHAUSTED when it has no place left; the stream may
  // ask again.
  absl::StatusOr<std::shared_ptr<Session>> SessionWith(const std::shared_ptr<Servable>& servable,
                                                       int64_t version);

 private:
  struct Entry {
    std::shared_ptr<Servable> servable;
    std::shared_ptr<Session> session;
    bool is_newest = false;  // found for version 0
  };
  std::vector<Entry> entries_;
};

}  // namespace torchferry
