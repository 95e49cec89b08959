// Loads and unloads models, for both APIs.
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

// The request of an admin call. Views of its message.
struct AdminAct {
  std::string_view method;  // of the service: "LoadModel", "RepositoryModelUnload"
  const std::string& model;
  std::string versions;  // as the log shows them; empty: all, or those that the store has
};

// Runs the calls that load and unload, of both APIs. Each call leaves one line in the log, at info, also when it fails
// (audit.h). The line has the caller, its address, the method, the model and the result. Thread-safe.
class AdminCalls {
 public:
  // Answers the unary `call` when the registry has done what `start` asks of it. On success `encode` fills the response
  // before the answer. When the caller has gone, `encode` does not run, but the registry still does its work. Nothing
  // is started where `checked` is an error, which is then the answer. The other refusals are PERMISSION_DENIED for a
  // model that the caller may not use, RESOURCE_EXHAUSTED while limits::kMaxAdminCalls run, and UNAVAILABLE after
  // EndAll. To be called from the call's handler.
  void Run(Call& call, const AdminAct& act, absl::Status checked,
           const std::function<void(registry::Registry::Done)>& start, std::function<void()> encode);

  // The server is ending: answers waiting and later calls with UNAVAILABLE.
  void EndAll();

 private:
  base::Mutex mutex_;
  bool has_ended_ FERRY_GUARDED_BY(mutex_) = false;
  std::vector<std::weak_ptr<AdminWait>> running_ FERRY_GUARDED_BY(mutex_);
};

// FAILED_PRECONDITION where the address that was called does not load and unload. The message says what to do.
absl::Status CheckAdminIsHere(bool is_here);

// INVALID_ARGUMENT for an empty name, and for one that is too long.
absl::Status CheckModelName(const std::string& name);

// INVALID_ARGUMENT for a number that is no version, a version that is named twice, or too many versions.
absl::Status CheckVersionsToLoad(std::span<const int64_t> versions);

}  // namespace torchferry::rpc
