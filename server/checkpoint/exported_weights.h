// The weights and constants of a torch.export program as raw entries of its archive (PyTorch 2.9 and later).
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <string>

#include "server/checkpoint/checkpoint.h"
#include "server/checkpoint/exported_json.h"
#include "server/checkpoint/zip.h"

namespace torchferry::checkpoint {

// The index of data/weights/NAME_weights_config.json and data/constants/NAME_constants_config.json. Each entry holds a
// whole storage; tensors that share one name the same entry.
// DATA_LOSS: malformed, an entry that is missing, a view that leaves its storage, a key twice. INVALID_ARGUMENT:
// pickled tensors and TorchBind objects, sparse tensors, dtypes that are not served.
absl::StatusOr<std::unique_ptr<Checkpoint>> ReadRawWeights(std::shared_ptr<const ZipArchive> archive,
                                                           const std::string& program);

// The document in the entry `name`. DATA_LOSS where there is none, or one that breaks a limit; messages name it.
absl::StatusOr<JsonValue> ReadJsonEntry(const ZipArchive& archive, const std::string& name);

}  // namespace torchferry::checkpoint
