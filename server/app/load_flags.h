// The flags that limit the requests, bytes and streams at the same time.
#pragma once

#include <CLI/CLI.hpp>

#include "server/app/flags.h"
#include "server/serving/flight_limits.h"

namespace torchferry::app {

void AddLoadFlags(CLI::App& app, ServerFlags& flags);

// The limits of one client.
serving::FlightLimits ClientLimitsOf(const ServerFlags& flags);
// The limits of a model whose configuration sets none.
serving::FlightLimits ModelLimitsOf(const ServerFlags& flags);

}  // namespace torchferry::app
