// What the devices' reports mean for probes, for loading and for the end of the process.
#pragma once

#include <string>
#include <vector>

#include "server/plan/load_plan.h"
#include "server/serving/device_health.h"

namespace torchferry::app {

// A line for each device that is not up: "degraded: cuda:0 is lost: …".
std::string DegradedDevices(const std::vector<serving::DeviceReport>& devices);

// The devices on which nothing is loaded any more, each with the reason kDeviceLost.
plan::RuledOut LostDevices(const std::vector<serving::DeviceReport>& devices);

bool IsAnyLost(const std::vector<serving::DeviceReport>& devices);

}  // namespace torchferry::app
