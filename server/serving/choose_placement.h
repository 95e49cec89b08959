// Chooses the placement of a version that a batch runs on. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "server/serving/device_health.h"

namespace torchferry::serving {

// A placement, as the choice sees it.
struct PlacementView {
  DeviceState device = DeviceState::kUp;
  bool is_built = false;
  bool is_building = false;
  bool has_failed = false;  // a build failed recently
  bool is_resting = false;  // no row could run recently
};

struct PlacementChoice {
  std::optional<size_t> run;    // the placement to run on
  std::optional<size_t> build;  // the placement to build: it would be better, or is the only one
  bool may_come = false;        // a placement is being built
};

// `placements`: best first. `tried`: a bit for each placement on which this batch has met a fault. Placements on
// devices that are not up are skipped. A resting one is chosen only when no other built one can be.
PlacementChoice ChoosePlacement(std::span<const PlacementView> placements, uint64_t tried);

}  // namespace torchferry::serving
