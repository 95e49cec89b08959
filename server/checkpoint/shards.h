// A state_dict in several files, opened as one checkpoint.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <vector>

#include "server/checkpoint/checkpoint.h"
#include "server/checkpoint/file.h"
#include "server/checkpoint/shard_index.h"

namespace torchferry::checkpoint {

// All of them one behind the other, as one file: its size, its identity and its digest are those of the whole.
std::shared_ptr<const File> JoinFiles(std::vector<std::shared_ptr<const File>> files, std::string display_name);

// `parts` are `index`'s files in its order; without an index (null) any. Each is a state_dict, zip, legacy or
// safetensors. Errors of Checkpoint::Open that name the part. DATA_LOSS: a tensor that is in two parts, or that is not
// in the part that the index says. INVALID_ARGUMENT: a part that is no state_dict.
absl::StatusOr<std::unique_ptr<Checkpoint>> OpenShards(const std::vector<std::shared_ptr<const File>>& parts,
                                                       const ShardIndex* index);

}  // namespace torchferry::checkpoint
