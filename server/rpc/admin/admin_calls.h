// Loading and unloading, for both APIs.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/base/mutex.h"
#include "server/registry/registry.h"
#include "server/rpc/transport/call.h"

namespace torchferry::rpc {

class AdminWait;

// What an admin call asks for. Views of its message.
struct AdminAct {
  std::string_view method;  // of the service: "LoadModel", "RepositoryModelUnload"
  const std::string& model;
  std::string versions;  // as the log shows them; empty: all, or those that the store has
};

// The calls that load and unload, of both APIs. Each leaves one line in the log, at info, whatever comes of it: who,
// from where, what, on which model, and what came of it (audit.h). Thread-safe.
class AdminCalls {
 public:
  // Answers `call`, a unary one, when the registry has done what `start` asks of it. `encode`, on success, fills the
  // response; it runs before the answer, and not when the caller has gone: what it asked for is done all the same.
  // `checked`, where it is an error, is the answer, and nothing is started; so is PERMISSION_DENIED for a model that
  // the caller may not use, and RESOURCE_EXHAUSTED while limits::kMaxAdminCalls are not done. From the call's handler.
  void Run(Call& call, const AdminAct& act, absl::Status checked,
           const std::function<void(registry::Registry::Done)>& start, std::function<void()> encode);

  // The server is ending: answers those that wait, and those that come later, with UNAVAILABLE.
  void EndAll();

 private:
  base::Mutex mutex_;
  bool has_ended_ FERRY_GUARDED_BY(mutex_) = false;
  std::vector<std::weak_ptr<AdminWait>> running_ FERRY_GUARDED_BY(mutex_);
};

// FAILED_PRECONDITION, saying what to do, where the address that was called does not load and unload.
absl::Status CheckAdminIsHere(bool is_here);

// INVALID_ARGUMENT for an empty name, and for one that is too long.
absl::Status CheckModelName(const std::string& name);

// INVALID_ARGUMENT for what is no version, for one that is named twice, and for too many.
absl::Status CheckVersionsToLoad(std::span<const int64_t> versions);

}  // namespace torchferry::rpc
