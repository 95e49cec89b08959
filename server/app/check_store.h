// `torchferry-server --check STORE`: reports how a server would serve a store, without a server.
#pragma once

#include <memory>
#include <vector>

#include "server/app/flags.h"
#include "server/torch/device/runtime.h"

namespace torchferry::app {

// Plans each version that a server with `flags` would load. With --load it also loads each and runs a row, one version
// after another, each within its load limit. Nothing is tuned, written or kept. Prints progress of loading to stderr
// and CheckText to stdout. SIGTERM and SIGINT end it at once. Opens no port. Returns the exit code: ExitCodeOf, or 1
// when the store cannot be read or has no model.
int CheckStore(const ServerFlags& flags, std::vector<std::unique_ptr<libtorch::DeviceProvider>> providers);

}  // namespace torchferry::app
