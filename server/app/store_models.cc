#include "server/app/store_models.h"

#include "server/base/status.h"

namespace torchferry::app {

base::StoreFolder StoreOf(const ServerFlags& flags) { return {flags.model_store, flags.follow_links_out_of_store}; }

absl::StatusOr<std::vector<registry::ModelFolder>> ScanModels(const ServerFlags& flags) {
  FERRY_ASSIGN_OR_RETURN(std::vector<registry::ModelFolder> folders, registry::ScanStore(StoreOf(flags)));
  FERRY_RETURN_IF_ERROR(base::Annotate(registry::CheckNames(folders, flags.load_models), "--load-model"));
  return folders;
}

absl::Status NoModels(const ServerFlags& flags, std::string_view purpose) {
  return base::MakeStatus(absl::StatusCode::kNotFound,
                          "{}: has no model to {}; expected NAME/VERSION/FILE, as in resnet18/1/model.pt",
                          flags.model_store, purpose);
}

}  // namespace torchferry::app
