#include "server/torch/load/read_module.h"

#include <torch/csrc/jit/serialization/import.h>

#include <algorithm>
#include <string>
#include <utility>

#include "server/base/status.h"
#include "server/torch/device/convert.h"
#include "server/torch/graph/deny_list.h"
#include "server/torch/graph/module_hooks.h"
#include "server/torch/load/forward_source.h"
#include "server/torch/load/state_dict.h"
#include "server/torch/run/random_turn.h"

namespace torchferry::libtorch {
namespace {

using torch::jit::Module;

absl::StatusOr<Module> LoadArchive(const checkpoint::File& file) {
  try {
    // What was looked at, whatever stands under its name by now. To the CPU whatever the archive says: where it was
    // saved is not where it runs.
    return torch::jit::load(file.open_path(), at::kCPU, /*load_debug_files=*/false);
  } catch (const std::exception& error) {
    return base::Annotate(StatusOf(error, absl::StatusCode::kDataLoss), file.name() + ": LibTorch cannot load it");
  }
}

absl::StatusOr<Module> LoadStateDict(const plan::VersionFiles& files, const plan::PlannedVersion& planned) {
  if (files.architecture == plan::Architecture::kTorchScript) {
    FERRY_ASSIGN_OR_RETURN(Module module, LoadArchive(*files.architecture_file));
    FERRY_RETURN_IF_ERROR(base::Annotate(FillModule(module, *planned.checkpoint, planned.names), files.model->name()));
    return module;
  }
  FERRY_ASSIGN_OR_RETURN(const NamedTensors tensors, ReadTensors(*planned.checkpoint, planned.names));
  FERRY_ASSIGN_OR_RETURN(Module module, ModuleFromKeys(tensors));
  FERRY_ASSIGN_OR_RETURN(const std::string source, plan::ReadSource(*files.architecture_file));
  FERRY_RETURN_IF_ERROR(DefineForward(module, source, files.architecture_file->name()));
  return module;
}

bool MentionsSeed(const plan::PlannedVersion& planned) {
  return planned.script.has_value() && std::ranges::any_of(planned.script->code_texts, [](const std::string& code) {
           return code.find("manual_seed") != std::string::npos;
         });
}

// The file that the code is from.
const checkpoint::File& SourceFile(const plan::VersionFiles& files) {
  return files.format != checkpoint::FileFormat::kTorchScript ? *files.architecture_file : *files.model;
}

}  // namespace

absl::StatusOr<SavedModule> ReadModule(const plan::PlannedFiles& version, bool trust_model_code) {
  const plan::VersionFiles& files = version.files;
  FERRY_RETURN_IF_ERROR(files.missing);
  std::optional<Module> module;
  // Code that runs while a module is read may seed, too.
  RandomState state;
  const RandomTurn turn(MentionsSeed(version.planned) ? RandomUse::kSeeds : RandomUse::kNone, &state);
  if (files.format == checkpoint::FileFormat::kTorchScript) {
    FERRY_ASSIGN_OR_RETURN(module, LoadArchive(*files.model));
  } else {
    FERRY_ASSIGN_OR_RETURN(module, LoadStateDict(files, version.planned));
  }
  if (!module->find_method("forward").has_value()) {
    return base::MakeStatus(absl::StatusCode::kFailedPrecondition, "{}: the module has no forward method",
                            files.model->name());
  }
  if (!trust_model_code) FERRY_RETURN_IF_ERROR(base::Annotate(CheckGraphs(*module), SourceFile(files).name()));
  module->eval();
  SavedModule saved{WithHooks(*module), std::nullopt};
  FERRY_ASSIGN_OR_RETURN(saved.state, FindState(saved.module, files.model->name()));
  return saved;
}

}  // namespace torchferry::libtorch
