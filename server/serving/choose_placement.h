// Which of a version's placements a batch runs on. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "server/serving/device_health.h"

namespace torchferry::serving {

// A placement as the choice sees it.
struct PlacementView {
  DeviceState device = DeviceState::kUp;
  bool is_built = false;
  bool is_building = false;
  bool has_failed = false;  // to be built, lately
  bool is_resting = false;  // not one row ran, lately
};

struct PlacementChoice {
  std::optional<size_t> run;    // here
  std::optional<size_t> build;  // this one, as it would be better, or is the only one
  bool may_come = false;        // one is being built
};

// `placements`: best first. `tried`: a bit for each that this batch has met a fault on. Placements on devices that are
// not up are passed over; one that rests is taken when nothing else that is built can be.
PlacementChoice ChoosePlacement(std::span<const PlacementView> placements, uint64_t tried);

}  // namespace torchferry::serving
