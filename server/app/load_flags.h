// The flags that say how much may be asked of the server at the same time.
#pragma once

#include <CLI/CLI.hpp>

#include "server/app/flags.h"
#include "server/serving/flight_limits.h"

namespace torchferry::app {

void AddLoadFlags(CLI::App& app, ServerFlags& flags);

// Of one client.
serving::FlightLimits ClientLimitsOf(const ServerFlags& flags);
// Of a model whose configuration says nothing.
serving::FlightLimits ModelLimitsOf(const ServerFlags& flags);

}  // namespace torchferry::app
