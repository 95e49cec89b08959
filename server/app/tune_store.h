// `torchferry-server --tune STORE`: the search for the fastest way to run each model, without a server.
#pragma once

#include <memory>
#include <vector>

#include "server/app/flags.h"
#include "server/torch/device/runtime.h"

namespace torchferry::app {

// Loads each version that a server with `flags` would load, one after another, which tunes it, and goes on until the
// result is final, for three more budgets at most. What is found is kept where that server looks for it. Prints
// progress to stderr and a table to stdout. SIGTERM and SIGINT end it at once; what was kept by then stays. Opens no
// port. The exit code: 0, or 1 when a version failed, could not be kept, or there is none.
int TuneStore(const ServerFlags& flags, std::vector<std::unique_ptr<libtorch::DeviceProvider>> providers);

}  // namespace torchferry::app
