// Names the results of a torch.export program by the tree that forward returned (torch.utils._pytree).
#pragma once

#include <absl/status/statusor.h>

#include <cstddef>
#include <string>
#include <vector>

#include "server/checkpoint/exported_json.h"

namespace torchferry::checkpoint {

struct OutputNames {
  // In the order of the results: "logits", "boxes_0". Keys and fields give their names, elements of lists and tuples
  // their numbers, joined by "_". One "" where forward returned one tensor. All names differ.
  std::vector<std::string> names;
  bool is_one_tensor = false;
};

// `outputs` is the number of results in the program's signature. DATA_LOSS: the tree is malformed or has another number
// of leaves. Without a tree in the file the names are numbers.
absl::StatusOr<OutputNames> ReadOutputNames(const JsonValue& graph_module, size_t outputs);

}  // namespace torchferry::checkpoint
