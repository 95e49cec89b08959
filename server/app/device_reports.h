// Conclusions from the devices' reports: for probes, for loading and for the end of the process.
#pragma once

#include <string>
#include <vector>

#include "server/plan/load_plan.h"
#include "server/serving/device_health.h"

namespace torchferry::app {

// A line for each device that is not up: "degraded: cuda:0 is lost: …".
std::string DegradedDevices(const std::vector<serving::DeviceReport>& devices);

// The lost devices, each with the reason kDeviceLost: nothing is loaded on them any more.
plan::RuledOut LostDevices(const std::vector<serving::DeviceReport>& devices);

bool IsAnyLost(const std::vector<serving::DeviceReport>& devices);

}  // namespace torchferry::app
