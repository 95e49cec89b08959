// The command line: flags and commands to calls, errors to messages and exit codes.
#pragma once

#include <string>
#include <vector>

#include "client/text/console.h"

namespace torchferry::client {

// `arguments` without the program's name. Reads TORCHFERRY_ADDRESS where no --address is given.
// Returns the exit code.
int RunCli(std::vector<std::string> arguments, Console console);

}  // namespace torchferry::client
