// The simulated accelerator as a provider of devices.
#pragma once

#include <memory>

#include "server/torch/device/runtime.h"

namespace torchferry::sim {

// "sim". Its environment:
//   SIM_DEVICES       how many; default 2
//   SIM_CAPACITY_MIB  the memory of each; default 1024
//   SIM_FAULT_FILE    faults, see Devices::WatchFaultFile
std::unique_ptr<libtorch::DeviceProvider> MakeProvider();

}  // namespace torchferry::sim
