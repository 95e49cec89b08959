// Finds the text of a model's passport: JSON that was written when the model was saved (plan/passport.h reads it).
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>

#include "server/checkpoint/file.h"
#include "server/checkpoint/zip.h"

namespace torchferry::checkpoint {

// The key in a safetensors header's metadata.
inline constexpr std::string_view kPassportMetadata = "torchferry";
// The file in a version's folder.
inline constexpr char kPassportFile[] = "torchferry.json";

// The text of the archive's entry extra/torchferry.json. In torch.export of PyTorch 2.7 and earlier the folder is
// extra_files. Empty where the archive has no such entry. INVALID_ARGUMENT for a text above limits::kMaxPassportBytes.
absl::StatusOr<std::string> ReadPassportEntry(const ZipArchive& archive);

// Reads the whole file. INVALID_ARGUMENT above limits::kMaxPassportBytes; the message names the file.
absl::StatusOr<std::string> ReadPassportFile(const File& file);

}  // namespace torchferry::checkpoint
