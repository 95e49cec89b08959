// `models` and `model`.
#include <memory>
#include <ostream>

#include "client/commands/commands.h"
#include "client/commands/flags.h"
#include "client/commands/model_json.h"
#include "client/commands/model_ref.h"
#include "client/commands/model_text.h"
#include "server/base/status.h"

namespace torchferry::client {
namespace {

absl::StatusOr<ExitCode> ListModels(Connection& connection, const Console& console) {
  FERRY_ASSIGN_OR_RETURN(const v1::ListModelsResponse response, connection.ListModels());
  if (console.json) {
    console.out << DumpJson(ToJson(response.versions()));
  } else {
    console.out << ModelTable(response.versions(), console);
  }
  return ExitCode::kOk;
}

// `model` is NAME[:VERSION].
absl::StatusOr<ExitCode> ShowModel(const std::string& model, Connection& connection, const Console& console) {
  FERRY_ASSIGN_OR_RETURN(const ModelRef ref, ParseModelRef(model));
  FERRY_ASSIGN_OR_RETURN(const v1::GetModelResponse response, connection.GetModel(ref.name, ref.version));
  if (console.json) {
    console.out << DumpJson(ToJson(response.versions()));
  } else {
    console.out << ModelDetails(response.versions(), console);
  }
  return ExitCode::kOk;
}

}  // namespace

void AddModels(CLI::App& app, Invocation& invocation) {
  CLI::App* models = app.add_subcommand("models", "List the models, their state and device");
  models->callback([&invocation] { invocation.run = ListModels; });

  CLI::App* model = app.add_subcommand("model", "Show everything about one model");
  const auto name = std::make_shared<std::string>();
  AddModelArgument(*model, *name, "The model; without a version all of them");
  model->callback([name, &invocation] {
    invocation.run = [name](Connection& connection, const Console& console) {
      return ShowModel(*name, connection, console);
    };
  });
}

}  // namespace torchferry::client
