// Copies of a version's module on the devices where it runs, and the models that are made of them.
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

// A version as it was read: on the CPU, in the types of its file. It is only copied and never runs itself, so several
// threads may use it.
struct MasterModule {
  torch::jit::Module module;
  std::optional<ModuleState> state;
  ModelSignature signature;
  bool renames_cpu = true;                 // see RewriteTarget
  std::vector<std::string> warnings = {};  // see ModelInfo
  // A row that the version is known to run on: a program's own example. It is tried where model_warmup names no other
  // row.
  std::optional<tensor::BoundInputs> example = std::nullopt;
};

// A copy on a device, in the types that the version computes in there.
struct PlacedCopy {
  torch::jit::Module module;
  Rewritten rewritten;
  PrecisionBorder border;
  CodeOwner code;  // of `module`
};

// Whether "cpu" in the version's code means where its module was. A forward.py is written for any device.
bool RenamesCpu(const plan::PlannedVersion& planned);

// Throws what LibTorch throws.
PlacedCopy PlaceCopy(const MasterModule& master, const tensor::DeviceId& device, const plan::PrecisionPlan& precision);

// `copy`, which is on `device`, as a model. Throws what LibTorch throws.
std::shared_ptr<model::Model> MakeModel(const MasterModule& master, const PlacedCopy& copy,
                                        const tensor::DeviceId& device);

}  // namespace torchferry::libtorch
