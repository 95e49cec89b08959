// How much of a model, or of a client, may be in flight at the same time.
#pragma once

#include <cstdint>

namespace torchferry::serving {

// 0: any number.
struct FlightLimits {
  int64_t requests = 0;
  int64_t bytes = 0;    // of their inputs
  int64_t streams = 0;  // that are open

  bool BoundsRequests() const { return requests > 0 || bytes > 0; }
};

}  // namespace torchferry::serving
