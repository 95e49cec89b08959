// `torchferry-server --tune STORE`: the search for the fastest way to run each model, without a server.
#pragma once

#include <memory>
#include <vector>

#include "server/app/flags.h"
#include "server/torch/device/runtime.h"

namespace torchferry::app {

// Loads and tunes each version that a server with `flags` would load, one after another. It goes on until the result is
// final, for at most three more budgets. Results are kept where that server looks for them. Prints progress to stderr
// and a table to stdout. SIGTERM and SIGINT end it at once; kept results stay. Opens no port. Returns the exit code: 0,
// or 1 when a version failed or could not be kept, or there is no version.
int TuneStore(const ServerFlags& flags, std::vector<std::unique_ptr<libtorch::DeviceProvider>> providers);

}  // namespace torchferry::app
