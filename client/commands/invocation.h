// The command that the command line asked for.
#pragma once

#include <absl/status/statusor.h>

#include <functional>

#include "client/commands/exit_code.h"
#include "client/rpc/connection.h"
#include "client/text/console.h"

namespace torchferry::client {

// A command that is given sets either `run` or `run_local`, once its flags are read. Both print their results and
// return the exit code. The caller prints a Status that is not OK.
struct Invocation {
  std::function<absl::StatusOr<ExitCode>(Connection& connection, const Console& console)> run;
  std::function<absl::StatusOr<ExitCode>(const Console& console)> run_local;  // needs no server
  bool may_last = false;  // the calls of `run` have no deadline unless --timeout is given
};

}  // namespace torchferry::client
