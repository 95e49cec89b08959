// The flags for the number of connections, and for how long they live.
#pragma once

#include <CLI/CLI.hpp>

#include "server/app/flags.h"
#include "server/rpc/transport/connection_times.h"

namespace torchferry::app {

void AddConnectionFlags(CLI::App& app, ServerFlags& flags);

// Checks the flags that depend on each other. Throws CLI::ValidationError.
void CheckConnectionFlags(const ServerFlags& flags);

rpc::ConnectionTimes ConnectionTimesOf(const ServerFlags& flags);

}  // namespace torchferry::app
