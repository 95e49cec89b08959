// Which operator of the dispatcher a node of a program calls.
#pragma once

#include <ATen/core/function_schema.h>

#include <string>

#include "server/checkpoint/exported_graph.h"

namespace torchferry::libtorch {

// "torch.ops.aten.add.Tensor" as the dispatcher calls it: {"aten::add", "Tensor"}; the form "default" has no name. Both
// are empty for a target outside torch.ops.
c10::OperatorName OperatorNameOf(const std::string& target);

// The schema to call with the arguments of `node`: that of `name`, or another form of the operator. For a number in
// place of a Tensor, that form has a Scalar, because Python lets a number stand there. For a bool in place of a Scalar,
// that form has a Tensor. For aten::add, sub, mul and div a bool counts as a number. Only operators of the dispatcher
// count, not those that TorchScript has beside them, such as prim::Print. Throws std::invalid_argument where there is
// no operator `name`.
const c10::FunctionSchema& ChooseSchema(const c10::OperatorName& name, const checkpoint::GraphNode& node);

}  // namespace torchferry::libtorch
