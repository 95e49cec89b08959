// A state_dict in several files, and the index that says which tensor is in which: model.safetensors.index.json and
// pytorch_model.bin.index.json of the Hugging Face hub, {"metadata": {…}, "weight_map": {"fc.weight":
// "model-00001-…"}}.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/checkpoint/file.h"

namespace torchferry::checkpoint {

struct ShardIndex {
  std::vector<std::string> files;                          // each once, in the order of the index
  std::vector<std::pair<std::string, size_t>> weight_map;  // tensor → index into `files`; each tensor once
};

// Whether a file that begins with `head` looks like one.
bool HasShardIndex(std::string_view head);

// DATA_LOSS: no JSON, another structure, a tensor that is there twice, more of anything than limits.h allows, a file
// that is no plain name: the parts lie beside the index and nowhere else. What else the index holds is passed over.
absl::StatusOr<ShardIndex> ParseShardIndex(std::string_view json);

// ParseShardIndex of a file, which the messages name.
absl::StatusOr<ShardIndex> ReadShardIndex(const File& file);

}  // namespace torchferry::checkpoint
