// Moving a module to a device, slot by slot.
#pragma once

#include <torch/script.h>

namespace torchferry {

// Replaces every tensor slot of `module` and its submodules by a copy on `device`. (Module::to goes through set_data, which
// not every device has.) Tensors that are one stay one. Dtypes stay. Throws what LibTorch throws, with the module half
// moved.
void MoveModule(torch::jit::Module& module, at::Device device);

}  // namespace torchferry
