// Corrects sizes that PyTorch up to 2.11 writes wrongly. For the two states of aten.lstm it writes [layers, 1, rows,
// hidden] instead of [layers, rows, hidden]. Sizes that it computes from these are wrong, too.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "server/checkpoint/exported_graph.h"

namespace torchferry::plan {

struct LstmSizes {
  std::map<std::string, std::vector<checkpoint::ExportedSize>> right;  // the true sizes, by the graph's tensors
  std::set<std::string> unknown;                                       // tensors whose true sizes cannot be told
};

// Pure. Follows the states through operators that keep all dimensions or remove the first, `linear(h[-1])` for example.
// The sizes of other results that depend on the states are unknown.
LstmSizes FindLstmSizes(const checkpoint::ExportedGraph& graph);

}  // namespace torchferry::plan
