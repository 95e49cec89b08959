// A forward.py compiled as the server does it, for the tests: the plan first, then the module of its keys.
#pragma once

#include <absl/status/status.h>
#include <torch/script.h>

#include <string>

#include "server/plan/forward_layers.h"
#include "server/torch/load/forward_source.h"
#include "server/torch/load/layer_methods.h"
#include "server/torch/load/state_dict.h"

namespace torchferry::libtorch {

// A module of `tensors` with the layers of `source`, and its methods.
inline absl::StatusOr<torch::jit::Module> ModuleOf(const std::string& source, const NamedTensors& tensors,
                                                   ForwardNotes* notes = nullptr) {
  plan::KeyShapes keys;
  for (const auto& [name, tensor] : tensors) keys.emplace(name, tensor.sizes().vec());
  const auto layers = plan::PlanLayers(source, "m/forward.py", keys);
  if (!layers.ok()) return layers.status();
  absl::StatusOr<torch::jit::Module> module = ModuleFromKeys(tensors, ModulePaths(**layers));
  if (!module.ok()) return module;
  if (absl::Status status = DefineForward(*module, **layers, notes); !status.ok()) return status;
  return module;
}

// Replaces `module` by a module that is compiled from its own tensors.
inline absl::Status DefineText(torch::jit::Module& module, const std::string& source, ForwardNotes* notes = nullptr) {
  NamedTensors tensors;
  for (const auto& parameter : module.named_parameters()) tensors.emplace(parameter.name, parameter.value);
  for (const auto& buffer : module.named_buffers()) tensors.emplace(buffer.name, buffer.value);
  absl::StatusOr<torch::jit::Module> made = ModuleOf(source, tensors, notes);
  if (made.ok()) module = *std::move(made);
  return made.status();
}

}  // namespace torchferry::libtorch
