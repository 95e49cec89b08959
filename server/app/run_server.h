// A server process from its command line to its exit code.
#pragma once

#include <memory>
#include <vector>

#include "server/torch/device/runtime.h"

namespace torchferry::app {

// The main function. `providers` are the possible devices: the tests' server adds a simulated one. Exit codes: 0 after
// an orderly end, 1 when it could not start or requests were cut off, 2 for wrong flags. 3 follows
// --exit-on-device-loss, 4 --exit-on-stuck. SIGTERM and SIGINT end it in order, also early ones (stop_signals.h); a
// second one ends it at once. With --tune (tune_store.h) or --check (check_store.h) it serves nothing.
int RunServer(int argc, char** argv, std::vector<std::unique_ptr<libtorch::DeviceProvider>> providers);

}  // namespace torchferry::app
