// The limits of what one model, or one client, may have in flight at the same time.
#pragma once

#include <cstdint>

namespace torchferry::serving {

// 0: no limit.
struct FlightLimits {
  int64_t requests = 0;
  int64_t bytes = 0;    // of the inputs of these requests
  int64_t streams = 0;  // open ones

  bool BoundsRequests() const { return requests > 0 || bytes > 0; }
};

}  // namespace torchferry::serving
