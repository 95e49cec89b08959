// What a model's code may use. A list of what is allowed, in groups with a reason each (operator_groups.h): an operator
// that a later LibTorch adds is refused until somebody has looked at it, and a test fails
// (torch/graph/model_code_test).
#pragma once

#include <optional>
#include <string_view>

namespace torchferry::plan {

// Why no model may use the operator "aten::save" ("reads or writes files"); nothing when it may. The reason follows
// "which".
std::optional<std::string_view> WhyRefused(std::string_view qualified_name);

// Whether the operator is in one of the groups, allowed or refused.
bool IsInAGroup(std::string_view qualified_name);

// The same for a class that LibTorch itself has, "__torch__.torch.classes.quantized.LinearPackedParamsBase". A class of
// the model's own is one.
std::optional<std::string_view> WhyClassRefused(std::string_view qualified_name);

}  // namespace torchferry::plan
