// The format that torch.save wrote before PyTorch 1.6, and still writes on request. It has pickles one after another: a
// magic number, the format's version, the system, the object, the keys of its storages. For each key follow the number
// of its elements (int64) and their bytes.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <string_view>

#include "server/checkpoint/checkpoint.h"
#include "server/checkpoint/file.h"

namespace torchferry::checkpoint {

// Whether a file that begins with `head` is in this format.
bool HasLegacyMagic(std::string_view head);

// Checkpoint::Open for such a file. It checks where each storage lies, and reads the bytes on demand.
absl::StatusOr<std::unique_ptr<Checkpoint>> OpenLegacyCheckpoint(std::shared_ptr<const File> file,
                                                                 const DictChooser& choose);

}  // namespace torchferry::checkpoint
