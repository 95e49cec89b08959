#include "server/serving/choose_placement.h"

namespace torchferry::serving {

PlacementChoice ChoosePlacement(std::span<const PlacementView> placements, uint64_t tried) {
  PlacementChoice choice;
  std::optional<size_t> resting;
  for (size_t i = 0; i < placements.size() && !choice.run.has_value(); ++i) {
    const PlacementView& placement = placements[i];
    if ((tried >> i & 1) != 0 || placement.device != DeviceState::kUp) continue;
    if (placement.is_built && placement.is_resting) {
      if (!resting.has_value()) resting = i;
    } else if (placement.is_built) {
      choice.run = i;
    } else if (placement.is_building) {
      choice.may_come = true;
    } else if (!placement.has_failed && !choice.build.has_value()) {
      choice.build = i;
    }
  }
  if (!choice.run.has_value()) choice.run = resting;
  return choice;
}

}  // namespace torchferry::serving
