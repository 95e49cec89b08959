// The weights and constants of a torch.export program as raw entries of its archive (PyTorch 2.9 and later).
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <string>

#include "server/checkpoint/checkpoint.h"
#include "server/checkpoint/zip.h"

namespace torchferry::checkpoint {

// Reads the index in data/weights/NAME_weights_config.json and data/constants/NAME_constants_config.json. Each entry
// holds a whole storage; tensors that share one name the same entry.
// DATA_LOSS: malformed, a missing entry, a view that leaves its storage, or a key twice. INVALID_ARGUMENT: pickled
// tensors, TorchBind objects, sparse tensors, or dtypes that are not served.
absl::StatusOr<std::unique_ptr<Checkpoint>> ReadRawWeights(std::shared_ptr<const ZipArchive> archive,
                                                           const std::string& program);

}  // namespace torchferry::checkpoint
