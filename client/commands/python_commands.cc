// The commands of the Python package. Its `torchferry` runs them itself and hands all others to this program, which
// names them and says where they are.
#include <CLI/CLI.hpp>
#include <string>

#include "client/commands/commands.h"
#include "server/base/status.h"

namespace torchferry::client {
namespace {

struct PythonCommand {
  const char* name;
  const char* what;
};

// As in client/python/torchferry/_launch.py.
constexpr PythonCommand kPythonCommands[] = {
    {"convert", "Turn a pickled whole model into a version of a store (in the Python package)"},
    {"pull", "Fetch a model from Hugging Face, MLflow, a URL or a file into a store (in the Python package)"},
};

}  // namespace

void AddPythonCommands(CLI::App& app, Invocation& invocation) {
  for (const PythonCommand& python_command : kPythonCommands) {
    CLI::App* command = app.add_subcommand(python_command.name, python_command.what);
    command->fallthrough(false)->allow_extras();  // its arguments are the package's to read
    command->footer("It comes with the Python package: pip install torchferry");
    command->callback([name = std::string(python_command.name), &invocation] {
      invocation.run_local = [name](const Console&) -> absl::StatusOr<ExitCode> {
        return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                                "{} needs Python and comes with the Python package, whose torchferry this is not: pip "
                                "install torchferry, or put that one first on PATH",
                                name);
      };
    });
  }
}

}  // namespace torchferry::client
