// What a torch.export program's results are called: by the tree that forward returned (torch.utils._pytree).
#pragma once

#include <absl/status/statusor.h>

#include <cstddef>
#include <string>
#include <vector>

#include "server/checkpoint/exported_json.h"

namespace torchferry::checkpoint {

struct OutputNames {
  // In the order of the results: "logits", "boxes_0"; keys and fields by name, elements of lists and tuples by number,
  // joined by "_". One "" where forward returned one tensor. No two are the same.
  std::vector<std::string> names;
  bool is_one_tensor = false;
};

// `outputs`: how many results the program's signature has. DATA_LOSS: the tree is malformed or has another number of
// leaves. Without a tree in the file, numbers.
absl::StatusOr<OutputNames> ReadOutputNames(const JsonValue& graph_module, size_t outputs);

}  // namespace torchferry::checkpoint
