// Recognises a file's format by its content and never by its name.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>

#include "server/checkpoint/file.h"

namespace torchferry::checkpoint {

enum class FileFormat {
  kTorchScript,       // torch.jit.save: a zip with code/ and constants.pkl
  kZipCheckpoint,     // torch.save since 1.6: a zip with data.pkl
  kLegacyCheckpoint,  // torch.save before 1.6: pickles, then the storages
  kSafetensors,       // a JSON header, then the tensors
  kExportedProgram,   // torch.export.save: a zip with models/NAME.json, or a flat one of PyTorch 2.7 and earlier
  kShards,            // the index of a state_dict in several files: JSON with a weight_map
  kUnknown,           // Recognise then returns an error instead
};

// Names a format: "torchscript", "state_dict", "legacy state_dict", "safetensors", "torch.export program", "sharded
// state_dict".
std::string_view Name(FileFormat format);

// Looks at the bytes. A file that is no servable model gives an error that says what the file is and what to do.
// Examples are an empty file, ONNX, an HTML page, a Git LFS pointer, a truncated zip, and unknown bytes. DATA_LOSS for
// a damaged file, INVALID_ARGUMENT for one of another kind.
absl::StatusOr<FileFormat> Recognise(const File& file);

}  // namespace torchferry::checkpoint
