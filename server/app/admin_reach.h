// Checks who can reach the calls that load and unload models.
#pragma once

#include <string>
#include <string_view>

#include "server/app/flags.h"

namespace torchferry::app {

// Whether only processes of this host can reach a listen address, HOST:PORT or unix:PATH. False for a name other than
// localhost, which may be any address.
bool IsOfThisHostAlone(std::string_view address);

// Why a server with these flags must not start: everybody who reaches its admin calls from another host may make them.
// Empty where it may start.
std::string WhyAdminIsOpen(const ServerFlags& flags);

}  // namespace torchferry::app
