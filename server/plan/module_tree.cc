#include "server/plan/module_tree.h"

namespace torchferry::plan {

const FunctionSource* FindFunction(const std::vector<const ClassSource*>& types, std::string_view name) {
  for (const ClassSource* type : types) {
    if (const auto found = type->functions.find(name); found != type->functions.end()) return &found->second;
  }
  return nullptr;
}

}  // namespace torchferry::plan
