// The flags that say how many connections there may be, and how long they live.
#pragma once

#include <CLI/CLI.hpp>

#include "server/app/flags.h"
#include "server/rpc/transport/connection_times.h"

namespace torchferry::app {

void AddConnectionFlags(CLI::App& app, ServerFlags& flags);

// What no single flag's check sees. Throws CLI::ValidationError.
void CheckConnectionFlags(const ServerFlags& flags);

rpc::ConnectionTimes ConnectionTimesOf(const ServerFlags& flags);

}  // namespace torchferry::app
