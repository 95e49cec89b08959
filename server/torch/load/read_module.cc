#include "server/torch/load/read_module.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/base/deep_stack.h"
#include "server/base/running_model.h"
#include "server/base/status.h"
#include "server/checkpoint/limits.h"
#include "server/plan/compile_stack.h"
#include "server/torch/device/model_messages.h"
#include "server/torch/graph/model_code.h"
#include "server/torch/graph/module_hooks.h"
#include "server/torch/graph/training_mode.h"
#include "server/torch/load/forward_source.h"
#include "server/torch/load/layer_methods.h"
#include "server/torch/load/script_reader.h"
#include "server/torch/load/state_dict.h"
#include "server/torch/program/program_module.h"
#include "server/torch/run/random_turn.h"

namespace torchferry::libtorch {
namespace {

using torch::jit::Module;

// The archive that was planned: it is there.
absl::StatusOr<Module> LoadArchive(const plan::PlannedVersion& planned, const checkpoint::File& file,
                                   bool trust_model_code) {
  absl::StatusOr<Module> module = ReadScript(*planned.script, trust_model_code);
  if (!module.ok()) return base::Annotate(module.status(), file.name());
  return module;
}

absl::StatusOr<Module> LoadStateDict(const plan::VersionFiles& files, const plan::PlannedVersion& planned,
                                     bool trust_model_code) {
  if (files.architecture == plan::Architecture::kTorchScript) {
    FERRY_ASSIGN_OR_RETURN(Module module, LoadArchive(planned, *files.architecture_file, trust_model_code));
    FERRY_RETURN_IF_ERROR(base::Annotate(FillModule(module, *planned.checkpoint, planned.names), files.model->name()));
    return module;
  }
  FERRY_ASSIGN_OR_RETURN(const NamedTensors tensors, ReadTensors(*planned.checkpoint, planned.names));
  FERRY_ASSIGN_OR_RETURN(Module module, ModuleFromKeys(tensors, ModulePaths(*planned.layers)));
  FERRY_RETURN_IF_ERROR(DefineForward(module, *planned.layers));
  return module;
}

// A program with its own weights, or with those of the state_dict that it is the architecture of.
absl::StatusOr<Module> LoadProgram(const plan::VersionFiles& files, const plan::PlannedVersion& planned) {
  const bool is_architecture = planned.architecture_weights != nullptr;
  const checkpoint::Checkpoint& own = is_architecture ? *planned.architecture_weights : *planned.checkpoint;
  std::vector<std::string> keys;
  for (const checkpoint::TensorInfo& tensor : own.tensors()) keys.push_back(tensor.key);
  FERRY_ASSIGN_OR_RETURN(const NamedTensors tensors, ReadTensors(own, keys));
  FERRY_ASSIGN_OR_RETURN(Module module, ModuleFromKeys(tensors, {}));
  FERRY_ASSIGN_OR_RETURN(module, ModuleFromProgram(*planned.program, planned.program_results, std::move(module)));
  if (is_architecture) {
    FERRY_RETURN_IF_ERROR(base::Annotate(FillModule(module, *planned.checkpoint, planned.names), files.model->name()));
  }
  return module;
}

bool MentionsSeed(const plan::PlannedVersion& planned) {
  return planned.script.has_value() && std::ranges::any_of(planned.script->code_texts, [](const std::string& code) {
           return code.find("manual_seed") != std::string::npos;
         });
}

// The code that LibTorch will compile.
std::vector<std::string> SourcesOf(const plan::PlannedVersion& planned) {
  std::vector<std::string> sources;
  if (planned.script.has_value()) sources = planned.script->code_texts;
  if (!planned.forward_source.empty()) sources.push_back(planned.forward_source);
  return sources;
}

// The file that the code is from.
const checkpoint::File& SourceFile(const plan::VersionFiles& files) {
  const bool brings_code =
      files.format == checkpoint::FileFormat::kTorchScript || files.format == checkpoint::FileFormat::kExportedProgram;
  return brings_code ? *files.model : *files.architecture_file;
}

absl::StatusOr<SavedModule> Read(const plan::PlannedFiles& version, bool trust_model_code,
                                 std::optional<bool> stateful) {
  const plan::VersionFiles& files = version.files;
  std::optional<Module> module;
  // Code that runs while a module is read may seed, too.
  RandomState state;
  const RandomTurn turn(MentionsSeed(version.planned) ? RandomUse::kSeeds : RandomUse::kNone, &state);
  if (version.planned.program != nullptr) {
    absl::StatusOr<Module> made = LoadProgram(files, version.planned);
    if (!made.ok()) return base::Annotate(made.status(), SourceFile(files).name());
    module = *std::move(made);
  } else if (files.format == checkpoint::FileFormat::kTorchScript) {
    FERRY_ASSIGN_OR_RETURN(module, LoadArchive(version.planned, *files.model, trust_model_code));
    if (version.planned.adds_forward) {
      FERRY_RETURN_IF_ERROR(DefineForward(*module, *version.planned.layers));
    }
  } else {
    FERRY_ASSIGN_OR_RETURN(module, LoadStateDict(files, version.planned, trust_model_code));
  }
  const std::string& method = version.planned.method;
  if (!module->find_method(method).has_value()) {
    return base::MakeStatus(absl::StatusCode::kFailedPrecondition, "{}: the module has no {} method",
                            files.model->name(), method);
  }
  FERRY_RETURN_IF_ERROR(base::Annotate(CheckCallDepth(*module), SourceFile(files).name()));
  if (!trust_model_code) FERRY_RETURN_IF_ERROR(base::Annotate(CheckModelCode(*module), SourceFile(files).name()));
  std::vector<std::string> warnings = MakeInferenceMode(*module);
  SavedModule saved{method == "forward" ? WithHooks(*module) : CallingMethod(*module, method), std::nullopt,
                    std::move(warnings)};
  FERRY_ASSIGN_OR_RETURN(saved.state, FindState(saved.module, files.model->name(), stateful));
  return saved;
}

}  // namespace

absl::StatusOr<SavedModule> ReadModule(const plan::PlannedFiles& version, bool trust_model_code,
                                       std::optional<bool> stateful) {
  FERRY_RETURN_IF_ERROR(version.files.missing);
  const uint64_t stack_bytes = plan::CompileStackBytes(SourcesOf(version.planned));
  if (stack_bytes > limits::kMaxCompileStackBytes) {
    return base::MakeStatus(
        absl::StatusCode::kDataLoss,
        "{}: compiling its functions may take {} bytes of stack; expected at most {}: write fewer or shorter functions",
        SourceFile(version.files).name(), stack_bytes, limits::kMaxCompileStackBytes);
  }
  std::optional<absl::StatusOr<SavedModule>> saved;
  const int threads = at::get_num_threads();  // each thread has a number of its own
  const std::string model(base::RunningModel::Name());
  FERRY_RETURN_IF_ERROR(base::RunOnDeepStack(stack_bytes, "compiler", [&] {
    const base::RunningModel for_model(model);
    TakeWarnings();
    at::set_num_threads(threads);
    saved = Read(version, trust_model_code, stateful);
  }));
  return *std::move(saved);
}

}  // namespace torchferry::libtorch
