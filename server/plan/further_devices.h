// Where a version may run beside the device that it was placed on. Pure.
#pragma once

#include <span>
#include <vector>

#include "server/config/model_config.h"
#include "server/plan/load_plan.h"
#include "server/tensor/device_id.h"

namespace torchferry::plan {

// Of `devices`, those that were passed over for what may pass, in the order given. `ruled_out`: devices that failed
// while the version was placed, and why.
std::vector<tensor::DeviceId> PreferredDevices(std::span<const tensor::DeviceId> devices, const RuledOut& ruled_out);

// Where it may run when the device of `placement` fails, best first: the other devices for `auto`, else the CPU, and
// none with `fallback: NONE` or when it is on the CPU.
std::vector<tensor::DeviceId> FallbackDevices(std::span<const tensor::DeviceId> devices, const RuledOut& ruled_out,
                                              const PlacementPlan& placement, config::FallbackPolicy fallback);

}  // namespace torchferry::plan
