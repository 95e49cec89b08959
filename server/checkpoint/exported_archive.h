// Where the parts of a torch.export program lie in its archive: the three layouts that PyTorch has written.
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

// Names of entries. Each is one that the archive may lack.
struct ProgramEntries {
  std::string document;
  bool has_raw_weights = false;  // PyTorch 2.9 and later; else the two that follow
  std::string weights;           // pickle archives, as torch.save writes them
  std::string constants;
  std::string samples;
};

// "model" for a flat archive, which has no name of its program. DATA_LOSS: more than limits.h allows.
absl::StatusOr<std::vector<std::string>> ProgramNames(const ZipArchive& archive);

// As ReadExportedProgram chooses.
absl::StatusOr<std::string> ChooseProgram(const ZipArchive& archive, const std::string& wanted);

ProgramEntries EntriesOf(const ZipArchive& archive, const std::string& program);

// The document in the entry `name`. DATA_LOSS where there is none, or one that breaks a limit; messages name it.
absl::StatusOr<JsonValue> ReadJsonEntry(const ZipArchive& archive, const std::string& name);

// An entry of the archive, which is `file`, as a file: the part of it that it is, or inflated. RESOURCE_EXHAUSTED where
// it inflates to more than `max_inflated_bytes`.
absl::StatusOr<std::shared_ptr<const File>> EntryFile(const std::shared_ptr<const File>& file,
                                                      const ZipArchive& archive, const ZipEntry& entry,
                                                      uint64_t max_inflated_bytes);

// Weights and constants that are pickle archives. As Checkpoint::Open; INVALID_ARGUMENT also for what is no tensor.
absl::StatusOr<std::unique_ptr<Checkpoint>> ReadPickledWeights(const std::shared_ptr<const File>& file,
                                                               const ZipArchive& archive,
                                                               const ProgramEntries& entries);

}  // namespace torchferry::checkpoint
