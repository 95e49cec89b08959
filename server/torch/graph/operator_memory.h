// Facts that an operator's schema does not state about the memory that it returns or writes.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <span>
#include <string_view>

namespace torchferry::libtorch {

// The source of an output's memory where the schema has no alias annotation for it.
enum class BareOutput {
  kFresh,     // the operator's own, certainly not an input's
  kNewList,   // a new list or dict, with elements of the inputs
  kMayAlias,  // perhaps an input's, as at::dropout returns its input in eval mode
};

// Found by the schema and the dispatcher. An operator that PyTorch composes of others (CompositeImplicitAutograd) may
// return its input, and nothing checks its schema. It is fresh where a list here says so. PyTorch's own checks hold the
// other operators to their schemas, except for a list of exceptions. All remaining operators may alias.
BareOutput OutputWithoutAnnotation(const c10::FunctionSchema& schema);

// Whether an output that the schema calls an alias may be a copy as well: reshape, contiguous, to.
bool MayCopy(std::string_view op);

// An operator that writes to arguments that its schema does not mark.
struct HiddenWrite {
  std::string_view op;    // "aten::batch_norm"
  std::string_view flag;  // it writes when this argument is true; empty: always
  std::span<const std::string_view> arguments;
  bool is_statistics = false;  // running statistics
};

// Null for all others.
const HiddenWrite* FindHiddenWrite(std::string_view op);

// Whether the operator replaces a tensor's memory: set_. A later write to the tensor then writes to the source.
bool ReplacesMemory(std::string_view op);

}  // namespace torchferry::libtorch
