#include "server/plan/program_plan.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/checkpoint/exported_program.h"
#include "server/plan/passport_plan.h"
#include "server/plan/program_config.h"
#include "server/plan/program_operators.h"
#include "server/plan/program_signature.h"

namespace torchferry::plan {
namespace {

using checkpoint::ExportedProgram;
using checkpoint::ProgramInput;
using checkpoint::TensorInfo;

template <typename T>
void AddOnce(T entry, std::vector<T>& list) {
  if (std::ranges::find(list, entry) == list.end()) list.push_back(std::move(entry));
}

bool IsOfStateDict(const ProgramInput& input) {
  return input.kind == ProgramInput::Kind::kParameter ||
         (input.kind == ProgramInput::Kind::kBuffer && input.is_persistent);
}

// Parameters and buffers: constants are often on the CPU in a program of a GPU.
std::set<std::string_view> WeightKeys(const ExportedProgram& program) {
  std::set<std::string_view> keys;
  for (const ProgramInput& input : program.inputs) {
    if (input.kind == ProgramInput::Kind::kParameter || input.kind == ProgramInput::Kind::kBuffer) {
      keys.insert(input.key);
    }
  }
  return keys;
}

std::string Origin(const ExportedProgram& program) {
  std::string text = "exported by PyTorch";
  if (!program.torch_version.empty()) text += " " + program.torch_version;
  if (program.dialect == "ATEN") text += ", decomposed with run_decompositions";
  return text;
}

absl::Status RefuseMethod(const config::ModelConfig& config) {
  if (config.method.empty()) return absl::OkStatus();
  return base::MakeStatus(
      absl::StatusCode::kFailedPrecondition,
      "torchferry.method is \"{}\", which names a method of a TorchScript archive, but a torch.export program has one "
      "function. Remove torchferry {{ method }} from config.pbtxt, and export a module whose forward calls {}",
      config.method, config.method);
}

// What ReadProgram does once the file is read.
absl::StatusOr<std::unique_ptr<checkpoint::Checkpoint>> TakeProgram(const checkpoint::File& file,
                                                                    ExportedProgram program, const PlanContext& context,
                                                                    PlannedVersion& planned) {
  FERRY_RETURN_IF_ERROR(base::Annotate(CheckOperators(program, context.trust_model_code), file.name()));
  absl::StatusOr<ProgramSignature> signature = DescribeProgram(program);
  if (!signature.ok()) return base::Annotate(signature.status(), file.name());
  absl::StatusOr<ProgramConfig> merged = MergeProgram(*signature, planned.config);
  if (!merged.ok()) return base::Annotate(merged.status(), file.name());
  std::vector<std::string>& decisions = planned.plan.decisions;
  decisions.push_back(Origin(program));
  for (auto* list : {&signature->decisions, &merged->decisions}) {
    decisions.insert(decisions.end(), list->begin(), list->end());
  }
  std::vector<std::string>& warnings = planned.plan.warnings;
  warnings.insert(warnings.end(), merged->warnings.begin(), merged->warnings.end());
  planned.config = std::move(merged->config);
  FERRY_RETURN_IF_ERROR(base::Annotate(CheckProgramAgainstPassport(planned), file.name()));
  planned.program_results = std::move(merged->results);
  std::unique_ptr<checkpoint::Checkpoint> weights = std::move(program.weights);
  planned.program = std::make_shared<const ExportedProgram>(std::move(program));
  return weights;
}

}  // namespace

absl::StatusOr<std::unique_ptr<checkpoint::Checkpoint>> ReadProgram(const std::shared_ptr<const checkpoint::File>& file,
                                                                    const PlanContext& context,
                                                                    PlannedVersion& planned) {
  FERRY_RETURN_IF_ERROR(base::Annotate(RefuseMethod(planned.config), file->name()));
  FERRY_ASSIGN_OR_RETURN(ExportedProgram program, checkpoint::ReadExportedProgram(file, planned.config.program));
  return TakeProgram(*file, std::move(program), context, planned);
}

absl::Status PlanProgram(const VersionFiles& files, const PlanContext& context, PlannedVersion& planned) {
  if (planned.config.state_dict.is_declared) {
    return base::MakeStatus(
        absl::StatusCode::kFailedPrecondition,
        "{} is a torch.export program with its own weights, but config.pbtxt declares a state_dict. Remove torchferry "
        "{{ state_dict {{ … }} }}, or name the program architecture.pt2 and put a state_dict beside it",
        files.model->name());
  }
  FERRY_RETURN_IF_ERROR(base::Annotate(RefuseMethod(planned.config), files.model->name()));
  FERRY_ASSIGN_OR_RETURN(ExportedProgram program, checkpoint::ReadExportedProgram(files.model, planned.config.program));
  FERRY_RETURN_IF_ERROR(UsePassport(files, program.passport, planned));
  FERRY_ASSIGN_OR_RETURN(planned.checkpoint, TakeProgram(*files.model, std::move(program), context, planned));
  LoadPlan& plan = planned.plan;
  plan.producer = "PyTorch";
  if (!planned.program->torch_version.empty()) plan.producer += " " + planned.program->torch_version;
  const std::vector<checkpoint::StorageInfo>& storages = planned.checkpoint->storages();
  for (const checkpoint::StorageInfo& storage : storages) plan.weight_bytes += storage.size_bytes;
  const std::set<std::string_view> weights = WeightKeys(*planned.program);
  for (const TensorInfo& tensor : planned.checkpoint->tensors()) {
    planned.names.push_back(tensor.key);
    AddOnce(std::string(Name(tensor.dtype)), plan.saved_dtypes);
    if (!weights.contains(tensor.key)) continue;
    AddOnce(tensor.dtype, planned.weight_dtypes);
    const std::string& device = storages[tensor.storage].saved_device;
    if (!device.empty()) AddOnce(device, plan.saved_devices);
  }
  if (files.architecture != Architecture::kNone) {
    plan.decisions.push_back(
        fmt::format("{} is not used: a torch.export program brings its own graph", files.architecture_file->name()));
  }
  plan.left_to_server = "whether this LibTorch has each of its operators in the form in which it is called";
  return absl::OkStatus();
}

std::vector<ArchitectureTensor> StateDictOf(const ExportedProgram& program, const checkpoint::Checkpoint& weights) {
  std::map<std::string_view, const TensorInfo*> by_key;
  for (const TensorInfo& tensor : weights.tensors()) by_key.emplace(tensor.key, &tensor);
  std::vector<ArchitectureTensor> tensors;
  std::set<std::string_view> seen;
  for (const ProgramInput& input : program.inputs) {
    const auto found = by_key.find(input.key);
    if (!IsOfStateDict(input) || found == by_key.end() || !seen.insert(input.key).second) continue;
    tensors.push_back(
        {input.key, found->second->dtype, found->second->shape, input.kind == ProgramInput::Kind::kParameter});
  }
  return tensors;
}

}  // namespace torchferry::plan
