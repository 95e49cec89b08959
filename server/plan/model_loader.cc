#include "server/plan/model_loader.h"

#include <algorithm>
#include <utility>

#include "server/base/status.h"

namespace torchferry::plan {
namespace {

bool Takes(const ModelLoader& loader, checkpoint::FileFormat format) {
  return std::ranges::count(loader.formats(), format) > 0;
}

absl::Status NoLoader(const PlannedFiles& version, std::span<const ModelLoader* const> loaders) {
  std::string known;
  for (const ModelLoader* loader : loaders) {
    for (const checkpoint::FileFormat format : loader->formats()) {
      known += fmt::format("{}{}", known.empty() ? "" : ", ", Name(format));
    }
  }
  return base::MakeStatus(
      absl::StatusCode::kUnimplemented,
      "{}: this server has no runtime for the format \"{}\"; it loads: {}. Save the model in one of these formats",
      version.files.model->name(), Name(version.planned.plan.format), known);
}

}  // namespace

absl::StatusOr<PlannedFiles> PlanFiles(const LoadRequest& request) {
  FERRY_ASSIGN_OR_RETURN(VersionFiles files, FindVersionFiles(request.store, request.model, request.version,
                                                              request.config, request.trusted.get()));
  FERRY_ASSIGN_OR_RETURN(PlannedVersion planned, PlanVersion(files, request.config, request.host));
  return PlannedFiles{std::move(files), std::move(planned)};
}

absl::StatusOr<std::unique_ptr<LoadBudget::Reservation>> ReserveMemory(const LoadRequest& request,
                                                                       const PlannedFiles& version) {
  if (request.host.budget == nullptr) return nullptr;
  return request.host.budget->Reserve(version.files.model->name(), version.planned.plan.memory);
}

absl::StatusOr<LoadedVersion> LoadVersion(LoadRequest request, std::span<const ModelLoader* const> loaders) {
  FERRY_ASSIGN_OR_RETURN(PlannedFiles version, PlanFiles(request));
  request.config = version.planned.config;
  for (const ModelLoader* loader : loaders) {
    if (!Takes(*loader, version.planned.plan.format)) continue;
    FERRY_ASSIGN_OR_RETURN(const auto room, ReserveMemory(request, version));
    FERRY_ASSIGN_OR_RETURN(model::LoadedModel loaded, loader->Load(request, std::move(version)));
    return LoadedVersion{std::move(loaded), std::move(request.config)};
  }
  return NoLoader(version, loaders);
}

}  // namespace torchferry::plan
