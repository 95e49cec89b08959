#include "client/commands/ready_version.h"

#include "client/rpc/errors.h"
#include "server/base/status.h"

namespace torchferry::client {
namespace {

// Why the version that is meant cannot answer, as the server told of it.
absl::Status NotReady(const v1::ModelVersion& version) {
  const std::string which = fmt::format("model {} version {}", version.model_name(), version.model_version());
  if (version.state() == v1::MODEL_STATE_FAILED) {
    return FromServer(base::MakeStatus(absl::StatusCode::kFailedPrecondition, "{} failed to load: {}", which,
                                       version.error_message()));
  }
  if (version.state() == v1::MODEL_STATE_SUSPECT) {
    return FromServer(base::MakeStatus(absl::StatusCode::kUnavailable, "{}: {}", which, version.error_message()));
  }
  const bool is_unloading = version.state() == v1::MODEL_STATE_UNLOADING;
  return FromServer(base::MakeStatus(absl::StatusCode::kUnavailable, "{} is {}", which,
                                     is_unloading ? "unloading" : "still loading: try again"));
}

}  // namespace

absl::StatusOr<v1::ModelVersion> FindReadyVersion(const ModelRef& ref, Connection& connection) {
  FERRY_ASSIGN_OR_RETURN(v1::GetModelResponse response, connection.GetModel(ref.name, ref.version));
  for (v1::ModelVersion& version : *response.mutable_versions()) {
    if (version.state() == v1::MODEL_STATE_READY) return std::move(version);
  }
  if (response.versions_size() > 0) return NotReady(response.versions(0));
  return FromServer(base::MakeStatus(absl::StatusCode::kNotFound, "model {} has no versions", ref.name));
}

}  // namespace torchferry::client
