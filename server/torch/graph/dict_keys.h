// What code reads of the dicts and tuples that are given to it.
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

// The keys that are read of `dicts`; nothing where keys are read that are no constants, or all there are.
std::optional<std::map<std::string, ReadKey>> KeysRead(const Values& dicts);

// The element `index` of `tuples`, where it is taken out.
Values ElementsRead(const Values& tuples, size_t index);

}  // namespace torchferry::libtorch
