// The error of a load that is over its time limit.
#pragma once

#include <absl/status/status.h>

#include "server/base/clock.h"

namespace torchferry::registry {

// DEADLINE_EXCEEDED; its message says what to do.
absl::Status LoadDoesNotEnd(base::Duration so_far, base::Duration limit);

}  // namespace torchferry::registry
