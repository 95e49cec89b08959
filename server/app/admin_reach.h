// Who can reach the calls that load and unload.
#pragma once

#include <string>
#include <string_view>

#include "server/app/flags.h"

namespace torchferry::app {

// Whether an address to listen on, HOST:PORT or unix:PATH, is one that processes of this host alone can reach. A name
// other than localhost may be anything.
bool IsOfThisHostAlone(std::string_view address);

// Why a server with these flags must not start: its admin calls are open to everybody who reaches it from elsewhere.
// Empty where it may.
std::string WhyAdminIsOpen(const ServerFlags& flags);

}  // namespace torchferry::app
