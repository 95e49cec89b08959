// The operators that a model's code may use. operator_groups.h lists them in groups, with a reason for each group. An
// operator that a later LibTorch adds is refused until somebody has judged it. A test then fails
// (torch/graph/model_code_test).
#pragma once

#include <optional>
#include <string_view>

namespace torchferry::plan {

// Why no model may use the operator "aten::save" ("reads or writes files"). Nothing when a model may use it. The reason
// is written to follow "which".
std::optional<std::string_view> WhyRefused(std::string_view qualified_name);

// Whether the operator is in one of the groups, allowed or refused.
bool IsInAGroup(std::string_view qualified_name);

// The same for a class of LibTorch's own, "__torch__.torch.classes.quantized.LinearPackedParamsBase". A class of the
// model's own is allowed.
std::optional<std::string_view> WhyClassRefused(std::string_view qualified_name);

}  // namespace torchferry::plan
