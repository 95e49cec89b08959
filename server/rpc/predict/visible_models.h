// What a caller gets to know of the registry: of the models that it may see alone.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <vector>

#include "server/identity/caller.h"
#include "server/registry/registry.h"

namespace torchferry::rpc {

// Registry::Find after Caller::CheckModel: the registry is not asked of a model that the caller may not use, and its
// list of models is not in what a caller is told that may not see them all.
absl::StatusOr<std::shared_ptr<serving::Servable>> FindFor(const identity::Caller& caller,
                                                           const registry::Registry& registry, const std::string& model,
                                                           int64_t version);

// Registry::List without what the caller may not see.
std::vector<registry::VersionStatus> ListFor(const identity::Caller& caller, const registry::Registry& registry);

}  // namespace torchferry::rpc
