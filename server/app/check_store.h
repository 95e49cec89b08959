// `torchferry-server --check STORE`: what a server would make of a store, without a server.
#pragma once

#include <memory>
#include <vector>

#include "server/app/flags.h"
#include "server/torch/device/runtime.h"

namespace torchferry::app {

// Plans each version that a server with `flags` would load, and with --load loads it and runs a row, one version after
// another, each within its load's limit. Nothing is tuned, written or kept. Prints progress of loading to stderr and
// CheckText to stdout. SIGTERM and SIGINT end it at once. Opens no port. The exit code: ExitCodeOf, and 1 when the
// store cannot be read or has no model.
int CheckStore(const ServerFlags& flags, std::vector<std::unique_ptr<libtorch::DeviceProvider>> providers);

}  // namespace torchferry::app
