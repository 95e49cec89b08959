// Sizes that PyTorch up to 2.11 writes wrongly: of the two states that aten.lstm gives it says [layers, 1, rows,
// hidden] where they are [layers, rows, hidden], and so of what is computed of them.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "server/checkpoint/exported_graph.h"

namespace torchferry::plan {

struct LstmSizes {
  std::map<std::string, std::vector<checkpoint::ExportedSize>> right;  // of tensors of the graph: what they are
  std::set<std::string> unknown;                                       // of which nothing tells it
};

// Pure. Follows the states through what keeps all dimensions or takes the first away, `linear(h[-1])` say; whatever
// else is computed of them is unknown.
LstmSizes FindLstmSizes(const checkpoint::ExportedGraph& graph);

}  // namespace torchferry::plan
