// The commands of the CLI. Each function adds to `app` its command, or two that belong together, with flags and help. A
// command that is given fills `invocation`.
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
void AddPythonCommands(CLI::App& app, Invocation& invocation);  // convert, pull: they print where to get these commands

}  // namespace torchferry::client
