// What is said of a load that is beyond its limit.
#pragma once

#include <absl/status/status.h>

#include "server/base/clock.h"

namespace torchferry::registry {

// DEADLINE_EXCEEDED, with what to do.
absl::Status LoadDoesNotEnd(base::Duration so_far, base::Duration limit);

}  // namespace torchferry::registry
