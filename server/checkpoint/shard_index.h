// A state_dict in several files, and the index that says which file has which tensor. The Hugging Face hub calls the
// index model.safetensors.index.json or pytorch_model.bin.index.json. Its content is {"metadata": {…}, "weight_map":
// {"fc.weight": "model-00001-…"}}.
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

// Whether a file that begins with `head` looks like an index.
bool HasShardIndex(std::string_view head);

// DATA_LOSS: no JSON, another structure, a tensor that occurs twice, or more of anything than limits.h allows. Also
// DATA_LOSS: a file that is no plain name, because the parts lie beside the index and nowhere else. Other content of
// the index is passed over.
absl::StatusOr<ShardIndex> ParseShardIndex(std::string_view json);

// Does ParseShardIndex for a file; messages name the file.
absl::StatusOr<ShardIndex> ReadShardIndex(const File& file);

}  // namespace torchferry::checkpoint
