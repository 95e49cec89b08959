// Names the operators of a torch.export program, and checks whether a program may use them.
#pragma once

#include <absl/status/status.h>

#include <optional>
#include <string>
#include <string_view>

#include "server/checkpoint/exported_program.h"

namespace torchferry::plan {

// A name of the dispatcher. "torch.ops.aten.linear.default" becomes "aten::linear" and "". "torch.ops.aten.add.Tensor"
// becomes "aten::add" and "Tensor". Nothing for any other target.
struct OperatorName {
  std::string name;
  std::string overload;
};
std::optional<OperatorName> ParseOperator(std::string_view target);

// Gives "cond" for "torch.ops.higher_order.cond"; empty for any other target.
std::string_view HigherOrderName(std::string_view target);

// Whether the target computes with sizes in Python: "_operator.mul", "math.trunc", "torch.sym_max".
bool IsSizeOperator(std::string_view target);

// Checks all nodes of the program's graph, and of the graphs inside. With `trust_model_code` the list of what a model
// may use (model_operators.h) is not applied. Operators of other libraries are always refused.
// INVALID_ARGUMENT: operators of a library or outside the list, and parts that do not run here: enabled autocast, map,
// scan, flex_attention. The message names them and the way out.
absl::Status CheckOperators(const checkpoint::ExportedProgram& program, bool trust_model_code);

}  // namespace torchferry::plan
