// Finds the parts of a torch.export program in its archive, for the three layouts that PyTorch has written.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <vector>

#include "server/checkpoint/checkpoint.h"
#include "server/checkpoint/exported_json.h"
#include "server/checkpoint/file.h"
#include "server/checkpoint/zip.h"

namespace torchferry::checkpoint {

// Names of entries. The archive may lack any of them.
struct ProgramEntries {
  std::string document;
  bool has_raw_weights = false;  // PyTorch 2.9 and later; else `weights` and `constants` are used
  std::string weights;           // pickle archives, as torch.save writes them
  std::string constants;
  std::string samples;
};

// Names of the archive's programs. A flat archive has no name of its program: it gives "model". DATA_LOSS: more
// programs than limits.h allows.
absl::StatusOr<std::vector<std::string>> ProgramNames(const ZipArchive& archive);

// Chooses a program as ReadExportedProgram does.
absl::StatusOr<std::string> ChooseProgram(const ZipArchive& archive, const std::string& wanted);

ProgramEntries EntriesOf(const ZipArchive& archive, const std::string& program);

// Reads the document in the entry `name`. DATA_LOSS for a missing entry, or one that breaks a limit; messages name it.
absl::StatusOr<JsonValue> ReadJsonEntry(const ZipArchive& archive, const std::string& name);

// Gives an entry of the archive in `file` as a file: a part of `file`, or inflated in memory. RESOURCE_EXHAUSTED where
// it inflates to more than `max_inflated_bytes`.
absl::StatusOr<std::shared_ptr<const File>> EntryFile(const std::shared_ptr<const File>& file,
                                                      const ZipArchive& archive, const ZipEntry& entry,
                                                      uint64_t max_inflated_bytes);

// Reads weights and constants that are pickle archives. Errors of Checkpoint::Open; INVALID_ARGUMENT also for a value
// that is no tensor.
absl::StatusOr<std::unique_ptr<Checkpoint>> ReadPickledWeights(const std::shared_ptr<const File>& file,
                                                               const ZipArchive& archive,
                                                               const ProgramEntries& entries);

}  // namespace torchferry::checkpoint
