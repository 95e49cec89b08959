#include "server/torch/load/placed_copy.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "server/torch/device/convert.h"
#include "server/torch/graph/place_module.h"
#include "server/torch/run/torch_model.h"

namespace torchferry::libtorch {

namespace {

// Of a program's parameters and buffers: constants that its code holds are on the CPU in one of another device, too.
std::vector<std::string> DevicesOfProgram(const plan::PlannedVersion& planned) {
  const checkpoint::Checkpoint* own = planned.architecture_weights.get();
  if (own == nullptr) own = planned.checkpoint.get();
  std::unordered_set<std::string_view> constants;
  for (const checkpoint::ProgramInput& input : planned.program->inputs) {
    if (input.kind == checkpoint::ProgramInput::Kind::kConstant) constants.insert(input.key);
  }
  std::vector<std::string> devices;
  for (const checkpoint::TensorInfo& tensor : own->tensors()) {
    if (!constants.contains(tensor.key)) devices.push_back(own->storages()[tensor.storage].saved_device);
  }
  return devices;
}

}  // namespace

bool RenamesCpu(const plan::PlannedVersion& planned) {
  if (planned.program == nullptr && !planned.script.has_value()) return true;
  const std::vector<std::string> devices =
      planned.program != nullptr ? DevicesOfProgram(planned) : planned.script->weight_devices;
  return devices.empty() || std::ranges::find(devices, "cpu") != devices.end();
}

PlacedCopy PlaceCopy(const MasterModule& master, const tensor::DeviceId& device, const plan::PrecisionPlan& precision) {
  RewriteTarget target{.device = ToTorch(device), .renames_cpu = master.renames_cpu};
  target.to = ToTorch(precision.to).value();
  for (const tensor::DType type : precision.from) target.from.push_back(ToTorch(type).value());
  auto [placed, rewritten, code] = PlaceModule(master.module, target);
  PrecisionBorder border;
  if (precision.changes()) {
    const PlacedModule saved = PlaceModule(master.module, {.device = at::kCPU, .renames_cpu = master.renames_cpu});
    border = PrecisionBorder(precision, saved.module, master.state, master.signature);
  }
  return {std::move(placed), std::move(rewritten), std::move(border), std::move(code)};
}

std::shared_ptr<model::Model> MakeModel(const MasterModule& master, const PlacedCopy& copy,
                                        const tensor::DeviceId& device) {
  return MakeTorchModel(copy.module, master.signature, device, master.state, copy.border, copy.code);
}

}  // namespace torchferry::libtorch
