#include "server/checkpoint/exported_archive.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/checkpoint/file_window.h"
#include "server/checkpoint/limits.h"
#include "server/checkpoint/shards.h"

namespace torchferry::checkpoint {
namespace {

constexpr std::string_view kModels = "models/";
constexpr std::string_view kJson = ".json";
constexpr std::string_view kUsualName = "model";  // what torch.export.save calls its program

absl::Status MissingEntry(std::string_view name) {
  return base::MakeStatus(absl::StatusCode::kDataLoss,
                          "has no entry {}: it is damaged; download or copy it again, or export it anew", Quoted(name));
}

absl::StatusOr<std::shared_ptr<const File>> PickleFile(const std::shared_ptr<const File>& file,
                                                       const ZipArchive& archive, const std::string& name) {
  const ZipEntry* entry = archive.Find(name);
  if (entry == nullptr) return MissingEntry(name);
  return EntryFile(file, archive, *entry, limits::kMaxInflatedWeightBytes);
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ProgramNames(const ZipArchive& archive) {
  std::vector<std::string> names;
  if (archive.top_folder().empty()) return std::vector<std::string>{std::string(kUsualName)};
  for (const ZipEntry& entry : archive.entries()) {
    if (!entry.name.starts_with(kModels) || !entry.name.ends_with(kJson)) continue;
    names.push_back(entry.name.substr(kModels.size(), entry.name.size() - kModels.size() - kJson.size()));
    if (names.size() > limits::kMaxPrograms) {
      return base::MakeStatus(absl::StatusCode::kDataLoss, "holds more than {} programs", limits::kMaxPrograms);
    }
  }
  return names;
}

absl::StatusOr<std::string> ChooseProgram(const ZipArchive& archive, const std::string& wanted) {
  FERRY_ASSIGN_OR_RETURN(const std::vector<std::string> names, ProgramNames(archive));
  if (names.empty()) {
    return absl::InvalidArgumentError("holds no torch.export program: it has no entry \"models/NAME.json\"");
  }
  if (wanted.empty() && names.size() == 1) return names.front();
  const std::string_view name = wanted.empty() ? kUsualName : std::string_view(wanted);
  if (std::ranges::find(names, name) != names.end()) return std::string(name);
  std::vector<std::string> quoted;
  for (const std::string& each : names) quoted.push_back(Quoted(each));
  if (wanted.empty()) {
    return base::MakeStatus(
        absl::StatusCode::kFailedPrecondition,
        "holds {} programs, {}, and none is called \"model\"; name the one to serve in config.pbtxt: "
        "torchferry {{ program: {} }}",
        names.size(), Listed(quoted), quoted.front());
  }
  return base::MakeStatus(absl::StatusCode::kFailedPrecondition, "holds no program {}; it has {}", Quoted(wanted),
                          Listed(quoted));
}

ProgramEntries EntriesOf(const ZipArchive& archive, const std::string& program) {
  ProgramEntries entries;
  if (archive.top_folder().empty()) {
    entries.document = kFlatProgramEntry;
    entries.weights = "serialized_state_dict.pt";
    entries.constants = "serialized_constants.pt";
    entries.samples = "serialized_example_inputs.pt";
    return entries;
  }
  entries.document = fmt::format("{}{}{}", kModels, program, kJson);
  entries.weights = fmt::format("data/weights/{}.pt", program);
  entries.constants = fmt::format("data/constants/{}.pt", program);
  entries.samples = fmt::format("data/sample_inputs/{}.pt", program);
  entries.has_raw_weights = archive.Find(entries.weights) == nullptr;
  return entries;
}

absl::StatusOr<JsonValue> ReadJsonEntry(const ZipArchive& archive, const std::string& name) {
  const ZipEntry* entry = archive.Find(name);
  if (entry == nullptr) return MissingEntry(name);
  if (entry->size_bytes > limits::kMaxProgramJsonBytes) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "{} has {} bytes; at most {} are read", Quoted(name),
                            entry->size_bytes, limits::kMaxProgramJsonBytes);
  }
  FERRY_ASSIGN_OR_RETURN(const std::string text, archive.ReadString(*entry, limits::kMaxProgramJsonBytes));
  absl::StatusOr<JsonValue> document = ParseProgramJson(text);
  if (!document.ok()) return base::Annotate(document.status(), Quoted(name));
  return document;
}

absl::StatusOr<std::shared_ptr<const File>> EntryFile(const std::shared_ptr<const File>& file,
                                                      const ZipArchive& archive, const ZipEntry& entry,
                                                      uint64_t max_inflated_bytes) {
  std::string name = fmt::format("{} in {}", Quoted(entry.name), file->name());
  if (!entry.is_compressed) {
    return std::make_shared<const FileWindow>(file, entry.file_offset, entry.size_bytes, std::move(name));
  }
  FERRY_ASSIGN_OR_RETURN(std::string bytes, archive.ReadString(entry, max_inflated_bytes));
  return File::FromBytes(std::move(bytes), std::move(name));
}

absl::StatusOr<std::unique_ptr<Checkpoint>> ReadPickledWeights(const std::shared_ptr<const File>& file,
                                                               const ZipArchive& archive,
                                                               const ProgramEntries& entries) {
  FERRY_ASSIGN_OR_RETURN(std::shared_ptr<const File> weights, PickleFile(file, archive, entries.weights));
  FERRY_ASSIGN_OR_RETURN(std::shared_ptr<const File> constants, PickleFile(file, archive, entries.constants));
  FERRY_ASSIGN_OR_RETURN(std::unique_ptr<Checkpoint> checkpoint, OpenShards({weights, constants}, nullptr));
  if (!checkpoint->index().other_entries.empty()) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                            "has the constant {}, which is no tensor but, for example, a TorchBind object. It is not "
                            "served; export the model with tensors in its place",
                            Quoted(checkpoint->index().other_entries.front()));
  }
  return checkpoint;
}

}  // namespace torchferry::checkpoint
