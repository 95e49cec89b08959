#include "server/rpc/predict/visible_models.h"

#include "server/base/status.h"

namespace torchferry::rpc {

absl::StatusOr<std::shared_ptr<serving::Servable>> FindFor(const identity::Caller& caller,
                                                           const registry::Registry& registry, const std::string& model,
                                                           int64_t version) {
  FERRY_RETURN_IF_ERROR(caller.CheckModel(model));
  absl::StatusOr<std::shared_ptr<serving::Servable>> found = registry.Find(model, version);
  const bool lists_models = absl::IsNotFound(found.status()) && (model.empty() || registry.List(model).empty());
  if (!caller.is_restricted() || !lists_models) return found;
  return base::MakeStatus(absl::StatusCode::kNotFound, "model \"{}\" is not in the store", model);
}

std::vector<registry::VersionStatus> ListFor(const identity::Caller& caller, const registry::Registry& registry) {
  std::vector<registry::VersionStatus> versions = registry.List();
  if (caller.is_restricted()) {
    std::erase_if(versions, [&](const registry::VersionStatus& version) { return !caller.MaySee(version.model); });
  }
  return versions;
}

}  // namespace torchferry::rpc
