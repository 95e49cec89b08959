// Opens a state_dict in several files as one checkpoint.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <vector>

#include "server/checkpoint/checkpoint.h"
#include "server/checkpoint/file.h"
#include "server/checkpoint/shard_index.h"

namespace torchferry::checkpoint {

// Joins the files one after the other into one file. Its size, identity and digest are those of the whole.
std::shared_ptr<const File> JoinFiles(std::vector<std::shared_ptr<const File>> files, std::string display_name);

// `parts` are `index`'s files in its order. Without an index (null) they are any parts. Each is a state_dict: zip,
// legacy or safetensors. Errors of Checkpoint::Open name the part. DATA_LOSS: a tensor that is in two parts, or is
// missing in the part that the index says. INVALID_ARGUMENT: a part that is no state_dict.
absl::StatusOr<std::unique_ptr<Checkpoint>> OpenShards(const std::vector<std::shared_ptr<const File>>& parts,
                                                       const ShardIndex* index);

}  // namespace torchferry::checkpoint
