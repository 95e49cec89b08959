// A server process from its command line to its exit code.
#pragma once

#include <memory>
#include <vector>

#include "server/torch/device/runtime.h"

namespace torchferry::app {

// main, with the devices that there may be: the tests' server adds a simulated one. Exit codes: 0 after an orderly end,
// 1 when it could not start or requests were cut off, 2 for wrong flags, 3 after --exit-on-device-loss, 4 after
// --exit-on-stuck. SIGTERM and SIGINT end it in order, also those that came before (stop_signals.h); a second one ends
// it at once. With --tune it serves nothing (tune_store.h), nor with --check (check_store.h).
int RunServer(int argc, char** argv, std::vector<std::unique_ptr<libtorch::DeviceProvider>> providers);

}  // namespace torchferry::app
