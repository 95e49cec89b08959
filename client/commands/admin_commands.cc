// `load` and `unload`.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <ostream>
#include <utility>

#include "client/commands/commands.h"
#include "client/commands/model_json.h"
#include "client/commands/model_ref.h"
#include "client/commands/model_text.h"
#include "client/text/progress.h"
#include "server/base/status.h"

namespace torchferry::client {
namespace {

// A model and the versions of it that were named; none: as its policy or all of them.
struct NamedModel {
  std::string name;
  std::vector<int64_t> versions;
};

absl::StatusOr<std::vector<NamedModel>> ByModel(const std::vector<std::string>& models) {
  std::vector<NamedModel> named;
  for (const std::string& text : models) {
    FERRY_ASSIGN_OR_RETURN(const ModelRef ref, ParseModelRef(text));
    auto model = std::ranges::find(named, ref.name, &NamedModel::name);
    const bool is_new = model == named.end();
    if (is_new) model = named.insert(named.end(), NamedModel{ref.name, {}});
    if (!is_new && model->versions.empty() != (ref.version == 0)) {
      return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                              "\"{}\" is named with a version and without; say one of them", ref.name);
    }
    if (ref.version != 0) model->versions.push_back(ref.version);
  }
  return named;
}

void Show(const ModelVersions& versions, const Console& console) {
  if (console.json) {
    console.out << DumpJson(ToJson(versions));
  } else {
    console.out << ModelTable(versions, console);
  }
}

// Each model: what the store has now, or the versions that are named. `models` are NAME[:VERSION]; INVALID_ARGUMENT
// when a model is named both with a version and without. The first error ends it; what came before is shown.
absl::StatusOr<ExitCode> LoadModels(const std::vector<std::string>& models, Connection& connection,
                                    const Console& console) {
  FERRY_ASSIGN_OR_RETURN(const std::vector<NamedModel> named, ByModel(models));
  ModelVersions now;
  absl::Status status;
  for (const NamedModel& model : named) {
    const ElapsedLine line(console, "loading " + model.name);
    const absl::StatusOr<v1::LoadModelResponse> response = connection.LoadModel(model.name, model.versions);
    status = response.status();
    if (!status.ok()) break;
    now.MergeFrom(response->versions());
  }
  if (status.ok() || !now.empty()) Show(now, console);
  if (!status.ok()) return status;
  return ExitCode::kOk;
}

// Likewise; returns when they have ended.
absl::StatusOr<ExitCode> UnloadModels(const std::vector<std::string>& models, Connection& connection,
                                      const Console& console) {
  FERRY_ASSIGN_OR_RETURN(std::vector<NamedModel> named, ByModel(models));
  ModelVersions now;
  absl::Status status;
  for (NamedModel& model : named) {
    if (model.versions.empty()) model.versions.push_back(0);
    ModelVersions left;
    for (size_t i = 0; i < model.versions.size() && status.ok(); ++i) {
      const ElapsedLine line(console, "unloading " + model.name);
      absl::StatusOr<v1::UnloadModelResponse> response = connection.UnloadModel(model.name, model.versions[i]);
      status = response.status();
      if (status.ok()) left = std::move(*response->mutable_versions());
    }
    now.MergeFrom(left);
    if (!status.ok()) break;
  }
  if (status.ok() || !now.empty()) Show(now, console);
  if (!status.ok()) return status;
  return ExitCode::kOk;
}

// The models that are named, and what runs on them for as long as it takes.
void AddModelList(CLI::App& command, const char* description, decltype(LoadModels)* run, Invocation& invocation) {
  const auto models = std::make_shared<std::vector<std::string>>();
  command.add_option("models", *models, description)->type_name("MODEL[:VERSION]")->required();
  command.callback([models, run, &invocation] {
    invocation.may_last = true;
    invocation.run = [models, run](Connection& connection, const Console& console) {
      return run(*models, connection, console);
    };
  });
}

}  // namespace

void AddAdmin(CLI::App& app, Invocation& invocation) {
  CLI::App* load = app.add_subcommand("load", "Load what the store has now, beside what serves, and then in its place");
  AddModelList(*load, "Each model; with a version that one and no other, until it is loaded without", LoadModels,
               invocation);
  load->footer("The server must run with --enable-admin. To go back to version 3: torchferry load NAME:3");
  CLI::App* unload = app.add_subcommand("unload", "Take models away, and wait until their last requests are answered");
  AddModelList(*unload, "Each model; without a version all of its versions", UnloadModels, invocation);
}

}  // namespace torchferry::client
