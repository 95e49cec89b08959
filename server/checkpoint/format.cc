#include "server/checkpoint/format.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "server/base/status.h"
#include "server/checkpoint/content_kind.h"
#include "server/checkpoint/display.h"
#include "server/checkpoint/legacy_checkpoint.h"
#include "server/checkpoint/safetensors.h"
#include "server/checkpoint/zip.h"

namespace torchferry::checkpoint {
namespace {

bool HasFolder(const ZipArchive& archive, std::string_view prefix) {
  return std::ranges::any_of(archive.entries(), [&](const ZipEntry& entry) { return entry.name.starts_with(prefix); });
}

absl::Status DescribeForeignZip(const ZipArchive& archive) {
  if (HasFolder(archive, "data/aotinductor/")) {
    return absl::InvalidArgumentError(
        "is an AOTInductor package (.pt2): native code for one kind of machine, which is not "
        "served yet; save the model with torch.jit.script(model).save(path), or its state_dict");
  }
  if (archive.Find("archive_format") != nullptr || HasFolder(archive, "models/") ||
      archive.Find("serialized_exported_program.json") != nullptr) {
    return absl::InvalidArgumentError(
        "is a torch.export program (.pt2), which is not served; save the model with "
        "torch.jit.script(model).save(path), or its state_dict");
  }
  if (archive.Find("model.json") != nullptr) {
    return absl::InvalidArgumentError(
        "is a TorchScript archive of PyTorch before 1.4, which is not read; load it with that "
        "PyTorch and save it with a newer one");
  }
  std::vector<std::string> names;
  for (const ZipEntry& entry : archive.entries()) names.push_back(Quoted(entry.name));
  return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                          "is a zip without data.pkl, so neither a TorchScript archive nor a torch.save "
                          "checkpoint; it holds {}",
                          Listed(names, 5));
}

absl::StatusOr<FileFormat> RecogniseZip(const ZipArchive& archive) {
  if (archive.Find("data.pkl") == nullptr) return DescribeForeignZip(archive);
  if (archive.Find("constants.pkl") != nullptr || HasFolder(archive, "code/")) {
    return FileFormat::kTorchScript;
  }
  return FileFormat::kZipCheckpoint;
}

}  // namespace

std::string_view Name(FileFormat format) {
  switch (format) {
    case FileFormat::kTorchScript:
      return "torchscript";
    case FileFormat::kZipCheckpoint:
      return "state_dict";
    case FileFormat::kLegacyCheckpoint:
      return "legacy state_dict";
    case FileFormat::kSafetensors:
      return "safetensors";
    case FileFormat::kUnknown:
      break;
  }
  return "unknown";
}

absl::StatusOr<FileFormat> Recognise(const File& file) {
  FERRY_ASSIGN_OR_RETURN(const std::string head, ReadHead(file));
  const bool is_zip = head.starts_with("PK\x03\x04") || head.starts_with("PK\x05\x06");
  if (HasLegacyMagic(head)) return FileFormat::kLegacyCheckpoint;
  if (HasSafetensorsHeader(head)) return FileFormat::kSafetensors;
  if (!is_zip) return base::Annotate(DescribeForeignContent(head, file.size()), file.name());
  // The archive is gone before `file` may be: it does not own it.
  FERRY_ASSIGN_OR_RETURN(const std::unique_ptr<ZipArchive> archive,
                         ZipArchive::Open(std::shared_ptr<const File>(std::shared_ptr<const void>(), &file)));
  absl::StatusOr<FileFormat> format = RecogniseZip(*archive);
  if (!format.ok()) return base::Annotate(format.status(), file.name());
  return format;
}

}  // namespace torchferry::checkpoint
