#include "server/plan/model_operators.h"

#include <algorithm>
#include <array>
#include <string>
#include <unordered_map>

#include "server/plan/operator_groups.h"

namespace torchferry::plan {
namespace {

constexpr std::string_view kBuiltInClasses = "__torch__.torch.classes.";

// Those that saved models hold: packed weights, which each class makes anew from plain tensors, and marks for
// profilers.
constexpr std::array<std::string_view, 9> kClasses = {"quantized.LinearPackedParamsBase",
                                                      "quantized.Conv2dPackedParamsBase",
                                                      "quantized.Conv3dPackedParamsBase",
                                                      "quantized.EmbeddingPackedParamsBase",
                                                      "rnn.CellParamsBase",
                                                      "xnnpack.LinearOpContext",
                                                      "xnnpack.Conv2dOpContext",
                                                      "xnnpack.TransposeConv2dOpContext",
                                                      "profiler._RecordFunction"};

using Index = std::unordered_map<std::string, const OperatorGroup*>;

const Index& Operators() {
  static const Index index = [] {
    Index operators;
    for (const OperatorGroup& group : kOperatorGroups) {
      for (size_t begin = 0; begin < group.names.size();) {
        const size_t end = std::min(group.names.find(' ', begin), group.names.size());
        operators.emplace(std::string(group.ns) + "::" + std::string(group.names.substr(begin, end - begin)), &group);
        begin = end + 1;
      }
    }
    return operators;
  }();
  return index;
}

const OperatorGroup* GroupOf(std::string_view qualified_name) {
  const auto found = Operators().find(std::string(qualified_name));
  return found == Operators().end() ? nullptr : found->second;
}

}  // namespace

std::optional<std::string_view> WhyRefused(std::string_view qualified_name) {
  const OperatorGroup* group = GroupOf(qualified_name);
  if (group == nullptr) return "is not on the list of what a model may use";
  if (group->is_allowed) return std::nullopt;
  return group->reason;
}

bool IsInAGroup(std::string_view qualified_name) { return GroupOf(qualified_name) != nullptr; }

std::optional<std::string_view> WhyClassRefused(std::string_view qualified_name) {
  if (!qualified_name.starts_with(kBuiltInClasses)) return std::nullopt;
  qualified_name.remove_prefix(kBuiltInClasses.size());
  if (std::ranges::find(kClasses, qualified_name) != kClasses.end()) return std::nullopt;
  return "is not on the list of LibTorch's classes that a model may hold";
}

}  // namespace torchferry::plan
