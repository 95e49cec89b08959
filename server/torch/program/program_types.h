// What a program's texts mean to LibTorch: "float32", "strided", "channels_last", "cuda:1".
#pragma once

#include <ATen/core/ivalue.h>

#include <string>
#include <string_view>

#include "server/checkpoint/exported_graph.h"

namespace torchferry::libtorch {

// The element type that comes after "torch." in Python. Throws std::invalid_argument for one that LibTorch has not.
at::ScalarType ElementType(const std::string& name);

// A constant of the kinds that hold one: numbers, text, None, element types, layouts, memory formats, devices. A symbol
// whose value is known is one. Throws std::invalid_argument for others.
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
