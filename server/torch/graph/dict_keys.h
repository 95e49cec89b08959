// Finds what code reads of its dict and tuple arguments.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace torchferry::libtorch {

// The same dict, tuple or list may be several values of a graph.
using Values = std::vector<torch::jit::Value*>;

struct ReadKey {
  bool may_be_missing = false;  // the code asks whether it is there, or has a default
  Values values;                // of the entry
};

// The keys that the code reads of `dicts`. Nothing where it reads keys that are not constants, or uses a dict in
// another way.
std::optional<std::map<std::string, ReadKey>> KeysRead(const Values& dicts);

// The values that the code gets as element `index` of `tuples`.
Values ElementsRead(const Values& tuples, size_t index);

}  // namespace torchferry::libtorch
