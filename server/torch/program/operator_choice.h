// Which operator of the dispatcher a node of a program calls.
#pragma once

#include <ATen/core/function_schema.h>

#include <string>

#include "server/checkpoint/exported_graph.h"

namespace torchferry::libtorch {

// "torch.ops.aten.add.Tensor" as the dispatcher calls it: {"aten::add", "Tensor"}; the form "default" has no name. Both
// are empty for a target that is none of torch.ops.
c10::OperatorName OperatorNameOf(const std::string& target);

// The schema that is called with the arguments of `node`: that of `name`, or the form of it that has a Scalar where
// they have a number and it has a Tensor, as Python lets a number stand there; of a bool, a Tensor where it has a
// Scalar. Only operators of the dispatcher: not
// what TorchScript has beside them, prim::Print say. Throws std::invalid_argument where there is none.
const c10::FunctionSchema& ChooseSchema(const c10::OperatorName& name, const checkpoint::GraphNode& node);

}  // namespace torchferry::libtorch
