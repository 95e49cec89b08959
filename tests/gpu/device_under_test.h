// The device that the programs of this folder use: a GPU, or the simulated accelerator where it is rehearsed.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/torch/device/runtime.h"
#include "tests/testing/sim_provider.h"

namespace torchferry::gpu {

// Starts LibTorch with the devices of that name's type alone: a registered simulator would change how LibTorch pins
// memory for a GPU. Comes before any other call of LibTorch.
inline std::unique_ptr<libtorch::TorchRuntime> StartRuntime(std::string_view device) {
  std::vector<std::unique_ptr<libtorch::DeviceProvider>> providers;
  providers.push_back(device.starts_with("sim") ? sim::MakeProvider() : libtorch::MakeCudaProvider());
  return libtorch::TorchRuntime::Start(std::move(providers));
}

// Whether the host has the device.
inline bool HasDevice(const libtorch::TorchRuntime& runtime, std::string_view device) {
  for (const tensor::DeviceId& id : runtime.devices()) {
    if (tensor::ToString(id) == device) return true;
  }
  return false;
}

}  // namespace torchferry::gpu
