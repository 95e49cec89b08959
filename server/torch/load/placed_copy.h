// Copies of a version's module where it runs, and the models that they make.
#pragma once

#include <torch/script.h>

#include <memory>
#include <optional>

#include "server/model/model.h"
#include "server/plan/load_plan.h"
#include "server/tensor/signature.h"
#include "server/torch/graph/code_owner.h"
#include "server/torch/graph/model_signature.h"
#include "server/torch/graph/rewrite_target.h"
#include "server/torch/graph/stateful.h"
#include "server/torch/run/precision_border.h"

namespace torchferry::libtorch {

// A version as it was read: on the CPU, in the types of its file. It is only copied and never runs as it is, so several
// threads may use one.
struct MasterModule {
  torch::jit::Module module;
  std::optional<ModuleState> state;
  ModelSignature signature;
  bool renames_cpu = true;                 // see RewriteTarget
  std::vector<std::string> warnings = {};  // see ModelInfo
  // A row that it is known to run on: a program's own example. It is tried where no model_warmup names another.
  std::optional<tensor::BoundInputs> example = std::nullopt;
};

// A copy on a device, in the types that it computes in there.
struct PlacedCopy {
  torch::jit::Module module;
  Rewritten rewritten;
  PrecisionBorder border;
  CodeOwner code;  // of `module`
};

// Whether "cpu" in the version's code is where its module was. A forward.py was written for wherever it runs.
bool RenamesCpu(const plan::PlannedVersion& planned);

// Throws what LibTorch throws.
PlacedCopy PlaceCopy(const MasterModule& master, const tensor::DeviceId& device, const plan::PrecisionPlan& precision);

// `copy`, which is on `device`, as a model. Throws what LibTorch throws.
std::shared_ptr<model::Model> MakeModel(const MasterModule& master, const PlacedCopy& copy,
                                        const tensor::DeviceId& device);

}  // namespace torchferry::libtorch
