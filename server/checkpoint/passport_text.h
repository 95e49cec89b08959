// Where a model's passport lies: a JSON text that was written when the model was saved (plan/passport.h reads it).
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>

#include "server/checkpoint/file.h"
#include "server/checkpoint/zip.h"

namespace torchferry::checkpoint {

// The key of a safetensors header's metadata.
inline constexpr std::string_view kPassportMetadata = "torchferry";
// The file in a version's folder.
inline constexpr char kPassportFile[] = "torchferry.json";

// The text of the archive's entry extra/torchferry.json, or extra_files/torchferry.json, as torch.export of PyTorch 2.7
// and earlier called the folder; empty where it has none. INVALID_ARGUMENT for one above limits::kMaxPassportBytes.
absl::StatusOr<std::string> ReadPassportEntry(const ZipArchive& archive);

// The whole file. INVALID_ARGUMENT above limits::kMaxPassportBytes; the message names the file.
absl::StatusOr<std::string> ReadPassportFile(const File& file);

}  // namespace torchferry::checkpoint
