// The commands of the CLI. Each function adds its command, or two that belong together, to `app`: the flags, the help,
// and what goes into `invocation` when the command was given.
#pragma once

#include "client/commands/invocation.h"

namespace CLI {
class App;
}

namespace torchferry::client {

// `invocation` must outlive `app`.
void AddPredict(CLI::App& app, Invocation& invocation);
void AddBench(CLI::App& app, Invocation& invocation);
void AddModels(CLI::App& app, Invocation& invocation);  // models, model
void AddAdmin(CLI::App& app, Invocation& invocation);   // load, unload
void AddHealth(CLI::App& app, Invocation& invocation);
void AddInspect(CLI::App& app, Invocation& invocation);
void AddPythonCommands(CLI::App& app, Invocation& invocation);  // convert, pull: where to have them

}  // namespace torchferry::client
