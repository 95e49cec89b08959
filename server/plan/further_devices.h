// Finds the devices where a version may run besides the one that it was placed on. Pure.
#pragma once

#include <span>
#include <vector>

#include "server/config/model_config.h"
#include "server/plan/load_plan.h"
#include "server/tensor/device_id.h"

namespace torchferry::plan {

// Gives those of `devices` that were ruled out for a reason that may pass, in their order. `ruled_out` has the devices
// that failed while the version was placed, and why.
std::vector<tensor::DeviceId> PreferredDevices(std::span<const tensor::DeviceId> devices, const RuledOut& ruled_out);

// Gives the devices where the version may run when that of `placement` fails, best first. For `auto` these are the
// other devices that are not ruled out, with any `fallback`. Else it is the CPU, or nothing with `fallback: NONE`.
// Nothing for a placement on the CPU.
std::vector<tensor::DeviceId> FallbackDevices(std::span<const tensor::DeviceId> devices, const RuledOut& ruled_out,
                                              const PlacementPlan& placement, config::FallbackPolicy fallback);

}  // namespace torchferry::plan
