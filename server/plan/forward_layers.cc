#include "server/plan/forward_layers.h"

#include "server/base/status.h"
#include "server/plan/constructor.h"
#include "server/plan/forward_imports.h"
#include "server/plan/layer_suggestion.h"
#include "server/plan/python_file.h"

namespace torchferry::plan {

absl::StatusOr<std::shared_ptr<const ModuleTree>> PlanLayers(std::string_view source, const std::string& file,
                                                             const KeyShapes& keys) {
  FERRY_ASSIGN_OR_RETURN(const ForwardImports imports, ReadImports(source, file));
  FERRY_ASSIGN_OR_RETURN(const std::shared_ptr<const PythonFile> python, ReadPythonFile(imports, file));
  std::unique_ptr<ModuleTree> tree;
  if (HasConstructors(*python)) {
    FERRY_ASSIGN_OR_RETURN(tree, RunConstructors(python));
    FERRY_RETURN_IF_ERROR(MatchLayers(keys, *tree));
  } else {
    FERRY_ASSIGN_OR_RETURN(tree, LayersFromCalls(python, keys));
  }
  return std::shared_ptr<const ModuleTree>(std::move(tree));
}

}  // namespace torchferry::plan
