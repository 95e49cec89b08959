#include "server/checkpoint/exported_program.h"

#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "server/base/status.h"
#include "server/checkpoint/archive_pickle.h"
#include "server/checkpoint/display.h"
#include "server/checkpoint/exported_archive.h"
#include "server/checkpoint/exported_fields.h"
#include "server/checkpoint/exported_graph_json.h"
#include "server/checkpoint/exported_signature.h"
#include "server/checkpoint/exported_weights.h"
#include "server/checkpoint/limits.h"
#include "server/checkpoint/passport_text.h"
#include "server/checkpoint/zip.h"

namespace torchferry::checkpoint {
namespace {

absl::Status CheckSchema(const JsonValue& document) {
  constexpr int64_t kMajor = 8;
  FERRY_ASSIGN_OR_RETURN(const JsonValue* version, Field(document, "schema_version", JsonValue::Kind::kObject));
  FERRY_ASSIGN_OR_RETURN(const JsonValue* major, Field(*version, "major", JsonValue::Kind::kInt));
  if (major->integer == kMajor) return absl::OkStatus();
  return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                          "is of version {} of torch.export's schema; version {} is read, which PyTorch 2.7 to 2.15 "
                          "write: export the model with one of them",
                          major->integer, kMajor);
}

// Texts of which the file may say nothing.
std::string ShortText(const JsonValue* value) {
  const bool is_text = value != nullptr && value->kind == JsonValue::Kind::kString && IsCleanUtf8(value->text) &&
                       value->text.size() <= limits::kMaxProgramNameBytes;
  return is_text ? value->text : "";
}

absl::StatusOr<ExportedProgram> ReadDocument(const JsonValue& document) {
  ExportedProgram program;
  FERRY_RETURN_IF_ERROR(CheckSchema(document));
  program.torch_version = ShortText(document.Find("torch_version"));
  if (const JsonValue* verifiers = document.Find("verifiers"); verifiers != nullptr && !verifiers->items.empty()) {
    program.dialect = ShortText(&verifiers->items.front());
  }
  FERRY_ASSIGN_OR_RETURN(const JsonValue* module, Field(document, "graph_module", JsonValue::Kind::kObject));
  FERRY_ASSIGN_OR_RETURN(const JsonValue* graph, Field(*module, "graph", JsonValue::Kind::kObject));
  FERRY_ASSIGN_OR_RETURN(program.graph, ReadGraph(*graph, 0));
  FERRY_ASSIGN_OR_RETURN(ExportedSignature signature, ReadExportedSignature(*module, program.graph));
  program.inputs = std::move(signature.inputs);
  program.outputs = std::move(signature.outputs);
  program.gives_one_tensor = signature.gives_one_tensor;
  FERRY_ASSIGN_OR_RETURN(program.ranges, ReadRanges(document));
  return program;
}

absl::Status CheckWeight(const ProgramInput& input, const ExportedTensor& stated, const TensorInfo* tensor) {
  if (tensor == nullptr) {
    return base::MakeStatus(absl::StatusCode::kDataLoss,
                            "lacks the tensor {}, which its graph uses; download or copy the file again, or export it "
                            "anew",
                            Quoted(input.key));
  }
  if (HasForm(*tensor, stated)) return absl::OkStatus();
  return base::MakeStatus(absl::StatusCode::kDataLoss,
                          "has the tensor {} of {} and shape {}, and its graph expects {} and {} dimensions of other "
                          "sizes; export the model anew",
                          Quoted(input.key), tensor::TorchName(tensor->dtype), tensor::ToString(tensor->shape),
                          fmt::format("torch.{}", stated.dtype), stated.sizes.size());
}

// Each parameter, buffer and constant of the graph is there, as the graph says.
absl::Status CheckWeights(const ExportedProgram& program) {
  std::unordered_map<std::string_view, const TensorInfo*> by_key;
  for (const TensorInfo& tensor : program.weights->tensors()) by_key.emplace(tensor.key, &tensor);
  for (const ProgramInput& input : program.inputs) {
    if (input.key.empty()) continue;
    const auto found = by_key.find(input.key);
    FERRY_RETURN_IF_ERROR(
        CheckWeight(input, program.graph.tensors.at(input.name), found == by_key.end() ? nullptr : found->second));
  }
  return absl::OkStatus();
}

absl::StatusOr<ExportedProgram> ReadProgram(const std::shared_ptr<const File>& file,
                                            const std::shared_ptr<const ZipArchive>& archive,
                                            const std::string& wanted) {
  FERRY_RETURN_IF_ERROR(CheckByteOrder(*archive));
  FERRY_ASSIGN_OR_RETURN(const std::string name, ChooseProgram(*archive, wanted));
  const ProgramEntries entries = EntriesOf(*archive, name);
  ExportedProgram program;
  {
    FERRY_ASSIGN_OR_RETURN(const JsonValue document, ReadJsonEntry(*archive, entries.document));
    absl::StatusOr<ExportedProgram> read = ReadDocument(document);
    if (!read.ok()) return base::Annotate(read.status(), Quoted(entries.document));
    program = *std::move(read);
  }
  program.name = name;
  FERRY_ASSIGN_OR_RETURN(program.passport, ReadPassportEntry(*archive));
  if (entries.has_raw_weights) {
    FERRY_ASSIGN_OR_RETURN(program.weights, ReadRawWeights(archive, name));
  } else {
    FERRY_ASSIGN_OR_RETURN(program.weights, ReadPickledWeights(file, *archive, entries));
  }
  FERRY_RETURN_IF_ERROR(CheckWeights(program));
  if (const ZipEntry* samples = archive->Find(entries.samples); samples != nullptr) {
    absl::StatusOr<std::shared_ptr<const File>> opened =
        EntryFile(file, *archive, *samples, limits::kMaxInflatedSampleBytes);
    // A program runs without them.
    if (!opened.ok() && !absl::IsResourceExhausted(opened.status())) return opened.status();
    if (opened.ok()) program.samples = *std::move(opened);
  }
  return program;
}

}  // namespace

bool HasForm(const TensorInfo& tensor, const ExportedTensor& stated) {
  if (stated.sizes.size() != tensor.shape.size()) return false;
  if (tensor::TorchName(tensor.dtype) != fmt::format("torch.{}", stated.dtype)) return false;
  for (size_t i = 0; i < stated.sizes.size(); ++i) {
    if (stated.sizes[i].known.has_value() && *stated.sizes[i].known != tensor.shape[i]) return false;
  }
  return true;
}

absl::StatusOr<std::vector<std::string>> ListPrograms(std::shared_ptr<const File> file) {
  FERRY_ASSIGN_OR_RETURN(const std::unique_ptr<ZipArchive> archive,
                         ZipArchive::Open(file, ZipLayout::kOneFolderOrProgram));
  absl::StatusOr<std::vector<std::string>> names = ProgramNames(*archive);
  if (!names.ok()) return base::Annotate(names.status(), file->name());
  return names;
}

absl::StatusOr<ExportedProgram> ReadExportedProgram(std::shared_ptr<const File> file, const std::string& name) {
  FERRY_ASSIGN_OR_RETURN(const std::shared_ptr<const ZipArchive> archive,
                         ZipArchive::Open(file, ZipLayout::kOneFolderOrProgram));
  absl::StatusOr<ExportedProgram> program = ReadProgram(file, archive, name);
  if (!program.ok()) return base::Annotate(program.status(), file->name());
  return program;
}

}  // namespace torchferry::checkpoint
