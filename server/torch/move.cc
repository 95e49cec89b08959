#include "server/torch/move.h"

#include <unordered_map>

namespace torchferry {
namespace {

using Moved = std::unordered_map<const c10::TensorImpl*, at::Tensor>;

void MoveSlots(const torch::jit::Module& module, at::Device device, Moved& moved) {
  const auto object = module._ivalue();
  for (size_t slot = 0; slot < object->slots().size(); ++slot) {
    const c10::IValue value = object->getSlot(slot);
    if (!value.isTensor() || !value.toTensor().defined()) continue;
    const at::Tensor& tensor = value.toTensor();
    at::Tensor& copy = moved[tensor.unsafeGetTensorImpl()];
    if (!copy.defined()) copy = tensor.detach().to(device);
    object->setSlot(slot, copy);
  }
  for (const torch::jit::Module& child : module.children()) MoveSlots(child, device, moved);
}

}  // namespace

void MoveModule(torch::jit::Module& module, at::Device device) {
  Moved moved;
  MoveSlots(module, device, moved);
}

}  // namespace torchferry
