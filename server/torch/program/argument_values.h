// Converts a program's arguments to values of the code that is being made.
#pragma once

#include <ATen/core/function_schema.h>

#include <optional>
#include <string>
#include <unordered_map>

#include "server/checkpoint/exported_graph.h"
#include "server/torch/program/program_target.h"

namespace torchferry::libtorch {

// Values by their names in one graph.
using Scope = std::unordered_map<std::string, ProgramTarget::Value>;

// All functions throw std::exception with the reason for an argument that cannot be made.
class ArgumentValues {
 public:
  explicit ArgumentValues(ProgramTarget& target) : target_(target) {}

  // The value for an operator's argument, in the type of `wanted`. A number that stands for a Tensor becomes one
  // without dimensions, which promotes as the number does in Python. Its type depends on `beside`, the type of the
  // operator's other tensors.
  ProgramTarget::Value As(const checkpoint::GraphArgument& given, const c10::Argument& wanted, const Scope& scope,
                          std::optional<at::ScalarType> beside);

  // The value as it is.
  ProgramTarget::Value Any(const checkpoint::GraphArgument& given, const Scope& scope);

  // The items of a list, or the one value; None is left out.
  ProgramTarget::Values Flat(const checkpoint::GraphArgument& given, const Scope& scope);

  // A tensor. A number becomes one without dimensions: INT64, FP32 or BOOL.
  ProgramTarget::Value AsTensor(const checkpoint::GraphArgument& given, const Scope& scope);

 private:
  ProgramTarget::Value AsType(const checkpoint::GraphArgument& given, const c10::TypePtr& type,
                              std::optional<int32_t> count, const Scope& scope, std::optional<at::ScalarType> beside);
  ProgramTarget::Value AsList(const checkpoint::GraphArgument& given, const c10::TypePtr& element, const Scope& scope,
                              std::optional<at::ScalarType> beside);
  ProgramTarget::Value NumberTensor(const checkpoint::GraphArgument& given, at::ScalarType type, const Scope& scope);

  ProgramTarget& target_;
};

}  // namespace torchferry::libtorch
