// The command line: turns flags and commands into calls, and errors into messages and exit codes.
#pragma once

#include <string>
#include <vector>

#include "client/text/console.h"

namespace torchferry::client {

// `arguments` do not include the program's name. Reads TORCHFERRY_ADDRESS where --address is not given. Returns the
// exit code.
int RunCli(std::vector<std::string> arguments, Console console);

}  // namespace torchferry::client
