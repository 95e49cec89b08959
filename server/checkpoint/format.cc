#include "server/checkpoint/format.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/base/status.h"
#include "server/checkpoint/content_kind.h"
#include "server/checkpoint/display.h"
#include "server/checkpoint/legacy_checkpoint.h"
#include "server/checkpoint/safetensors.h"
#include "server/checkpoint/shard_index.h"
#include "server/checkpoint/zip.h"

namespace torchferry::checkpoint {
namespace {

bool HasFolder(const ZipArchive& archive, std::string_view prefix) {
  return std::ranges::any_of(archive.entries(), [&](const ZipEntry& entry) { return entry.name.starts_with(prefix); });
}

// torch.package: pickles with the Python code that they need. Its folder .data says so.
std::optional<std::string> DescribePackage(const ZipArchive& archive) {
  if (archive.Find(".data/extern_modules") == nullptr && archive.Find("extern_modules") == nullptr) return std::nullopt;
  for (const ZipEntry& entry : archive.entries()) {
    const size_t slash = entry.name.rfind('/');
    if (!entry.name.ends_with(".pkl") || slash == std::string::npos) continue;
    std::string package = entry.name.substr(0, slash);
    std::ranges::replace(package, '/', '.');
    return fmt::format(
        "is a torch.package archive, which brings Python code, and that is not run here. In Python, where you trust "
        "the "
        "file: m = torch.package.PackageImporter(\"model.pt\").load_pickle({}, {}); torch.jit.script(m).save(path)",
        Quoted(package), Quoted(entry.name.substr(slash + 1)));
  }
  return "is a torch.package archive without a pickle, so it holds Python code and no model";
}

absl::Status DescribeForeignZip(const ZipArchive& archive) {
  if (HasFolder(archive, "data/aotinductor/")) {
    return absl::InvalidArgumentError(
        "is an AOTInductor package (.pt2): native code for one kind of machine, which is not run here. In Python, "
        "torch.export.save(ep, \"model.pt2\") saves the exported program that it was compiled from, which is served");
  }
  if (archive.Find("archive_format") != nullptr) {
    return absl::InvalidArgumentError(
        "is an archive of torch.export (.pt2) without a program: it has no entry \"models/NAME.json\". In Python, "
        "torch.export.save(ep, \"model.pt2\") writes one");
  }
  if (archive.Find("model.json") != nullptr) {
    return absl::InvalidArgumentError(
        "is a TorchScript archive of PyTorch before 1.4, which is not read; load it with that "
        "PyTorch and save it with a newer one");
  }
  if (std::optional<std::string> package = DescribePackage(archive); package.has_value()) {
    return absl::InvalidArgumentError(*std::move(package));
  }
  std::vector<std::string> names;
  for (const ZipEntry& entry : archive.entries()) names.push_back(Quoted(entry.name));
  return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                          "is a zip without data.pkl, so neither a TorchScript archive nor a torch.save "
                          "checkpoint; it holds {}. Put the file here that one of them wrote",
                          Listed(names, 5));
}

bool HasProgram(const ZipArchive& archive) {
  if (archive.top_folder().empty()) return true;  // see ZipLayout
  // TorchScript's archives may have any folder besides.
  return archive.Find("data.pkl") == nullptr && std::ranges::any_of(archive.entries(), [](const ZipEntry& entry) {
           return entry.name.starts_with("models/") && entry.name.ends_with(".json");
         });
}

absl::StatusOr<FileFormat> RecogniseZip(const ZipArchive& archive) {
  if (HasProgram(archive)) return FileFormat::kExportedProgram;
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
    case FileFormat::kExportedProgram:
      return "torch.export program";
    case FileFormat::kShards:
      return "sharded state_dict";
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
  if (HasShardIndex(head)) return FileFormat::kShards;
  if (!is_zip) return base::Annotate(DescribeForeignContent(head, file.size()), file.name());
  // The archive is gone before `file` may be: it does not own it.
  FERRY_ASSIGN_OR_RETURN(const std::unique_ptr<ZipArchive> archive,
                         ZipArchive::Open(std::shared_ptr<const File>(std::shared_ptr<const void>(), &file),
                                          ZipLayout::kOneFolderOrProgram));
  absl::StatusOr<FileFormat> format = RecogniseZip(*archive);
  if (!format.ok()) return base::Annotate(format.status(), file.name());
  return format;
}

}  // namespace torchferry::checkpoint
