// What the operators of a torch.export program are called here, and whether a program may use them.
#pragma once

#include <absl/status/status.h>

#include <optional>
#include <string>
#include <string_view>

#include "server/checkpoint/exported_program.h"

namespace torchferry::plan {

// Of the dispatcher: "aten::linear" and "" of "torch.ops.aten.linear.default", "aten::add" and "Tensor" of
// "torch.ops.aten.add.Tensor". Nothing for any other target.
struct OperatorName {
  std::string name;
  std::string overload;
};
std::optional<OperatorName> ParseOperator(std::string_view target);

// "cond" of "torch.ops.higher_order.cond"; empty for any other target.
std::string_view HigherOrderName(std::string_view target);

// Whether the target computes with sizes, as Python: "_operator.mul", "math.trunc", "torch.sym_max".
bool IsSizeOperator(std::string_view target);

// All nodes of the program's graph, and of the graphs inside, against the list of what a model may use
// (model_operators.h), unless `trust_model_code`; those of other libraries are refused anyway.
// INVALID_ARGUMENT: operators of a library or outside of the list, and what is not run here: enabled autocast, map,
// scan, flex_attention. The message names them and the way out.
absl::Status CheckOperators(const checkpoint::ExportedProgram& program, bool trust_model_code);

}  // namespace torchferry::plan
