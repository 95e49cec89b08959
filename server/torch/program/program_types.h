// The meaning of a program's texts in LibTorch: "float32", "strided", "channels_last", "cuda:1".
#pragma once

#include <ATen/core/ivalue.h>

#include <string>
#include <string_view>

#include "server/checkpoint/exported_graph.h"

namespace torchferry::libtorch {

// The element type with that name after "torch." in Python. Throws std::invalid_argument for a type that LibTorch does
// not have.
at::ScalarType ElementType(const std::string& name);

// The constant in an argument: a number, text, None, an element type, a layout, a memory format or a device. A symbol
// whose value is known is a constant, too. Throws std::invalid_argument for other arguments.
c10::IValue ConstantOf(const checkpoint::GraphArgument& argument);

// Whether ConstantOf takes it.
bool IsConstant(const checkpoint::GraphArgument& argument);

// Python's order, in which a number promotes a tensor.
enum class NumberCategory { kBool, kInt, kFloat, kComplex };
NumberCategory CategoryOf(at::ScalarType type);
NumberCategory CategoryOf(const checkpoint::GraphArgument& number);

// The argument of that name; null where the file leaves it out.
const checkpoint::GraphArgument* Given(const checkpoint::GraphNode& node, std::string_view name);

// Whether it is a number or a bool, as a constant or a symbol.
bool IsNumber(const checkpoint::GraphArgument& argument);

}  // namespace torchferry::libtorch
