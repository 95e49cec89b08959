// The known facts about one version, and the readiness that follows from all versions.
#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/config/model_config.h"
#include "server/serving/servable.h"

namespace torchferry::registry {

enum class VersionState {
  kPending,
  kLoading,
  kReady,
  kUnloading,
  kFailed,
  kUnloaded,
  kSuspect,  // it was READY, and a forward pass does not end; READY again when the pass has ended
};

// "pending", "loading", …
std::string_view Name(VersionState state);
const std::vector<std::string>& VersionStateNames();

// A copy of the registry's data on one version.
struct VersionStatus {
  std::string model;
  int64_t version = 0;  // 0: the folder could not be read as far as its versions
  VersionState state = VersionState::kPending;
  absl::Status error;  // of a FAILED or SUSPECT version
  double load_seconds = 0;
  bool is_initial = false;                            // one of the versions that the server started with
  std::shared_ptr<const config::ModelConfig> config;  // null where it could not be read
  std::shared_ptr<const serving::Servable> servable;  // of a READY or SUSPECT version
};

// The version is READY, and there is a device to run on.
bool IsServing(const VersionStatus& status);

enum class ReadinessPolicy {
  kAny,  // every version is READY, SUSPECT or FAILED, and one serves
  kAll,  // every version serves
};

// Empty when ready, otherwise a sentence that says why not. A store without models is ready. Versions that are
// unloading or unloaded do not count. Versions that were added after the start count only if they serve: their loading
// or failing does not end readiness.
std::string NotReadyReason(const std::vector<VersionStatus>& versions, ReadinessPolicy policy);

// The error of a request for a version that does not serve. UNAVAILABLE: it will serve, or may; FAILED_PRECONDITION: it
// failed to load, and why; NOT_FOUND: it was unloaded. A SUSPECT version gives its own error.
absl::Status NotServing(const VersionStatus& status);

}  // namespace torchferry::registry
