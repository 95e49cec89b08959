// The format that torch.save writes since PyTorch 1.6: a zip with the object's pickle (data.pkl) and an entry for each
// storage (data/0, data/1, …).
#pragma once

#include <absl/status/statusor.h>

#include <memory>

#include "server/checkpoint/checkpoint.h"
#include "server/checkpoint/file.h"

namespace torchferry::checkpoint {

// Checkpoint::Open for such a file.
absl::StatusOr<std::unique_ptr<Checkpoint>> OpenZipCheckpoint(std::shared_ptr<const File> file,
                                                              const DictChooser& choose);

}  // namespace torchferry::checkpoint
