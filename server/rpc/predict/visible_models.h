// The part of the registry that a caller may see.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <vector>

#include "server/identity/caller.h"
#include "server/registry/registry.h"

namespace torchferry::rpc {

// Registry::Find after Caller::CheckModel: the registry is not asked for a model that the caller may not use. Callers
// that may not see all models are not told the registry's list of models.
absl::StatusOr<std::shared_ptr<serving::Servable>> FindFor(const identity::Caller& caller,
                                                           const registry::Registry& registry, const std::string& model,
                                                           int64_t version);

// Registry::List without the models that the caller may not see.
std::vector<registry::VersionStatus> ListFor(const identity::Caller& caller, const registry::Registry& registry);

}  // namespace torchferry::rpc
