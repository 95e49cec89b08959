// What an operator's schema leaves unsaid of the memory that it gives back or writes to.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <span>
#include <string_view>

namespace torchferry::libtorch {

// Where the memory of an output comes from whose schema has no alias annotation.
enum class BareOutput {
  kFresh,     // from the operator: no input's, for certain
  kNewList,   // a list or dict that is new, with elements of the inputs
  kMayAlias,  // perhaps an input's, as at::dropout gives back its input in eval mode
};

// By the schema and the dispatcher. An operator that PyTorch composes of others (CompositeImplicitAutograd) may give
// back its input and nothing checks its schema: it is fresh where a list here says so. The others are held to their
// schema by PyTorch's own checks, but for a list of exceptions. What neither knows may alias.
BareOutput OutputWithoutAnnotation(const c10::FunctionSchema& schema);

// Whether an output that the schema calls an alias may be a copy as well: reshape, contiguous, to.
bool MayCopy(std::string_view op);

// An operator that writes to arguments which its schema does not mark.
struct HiddenWrite {
  std::string_view op;    // "aten::batch_norm"
  std::string_view flag;  // it does so when this argument is true; empty: always
  std::span<const std::string_view> arguments;
  bool is_statistics = false;  // running statistics
};

// Null for all others.
const HiddenWrite* FindHiddenWrite(std::string_view op);

// Whether the operator puts other memory in place of a tensor's: set_. A later write to the tensor is one to the
// source.
bool ReplacesMemory(std::string_view op);

}  // namespace torchferry::libtorch
