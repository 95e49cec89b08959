// torchferry inspect: what a model file holds and what the server would do with it.
#include <memory>
#include <ostream>

#include "client/commands/commands.h"
#include "client/commands/flags.h"
#include "client/inspect/inspection.h"
#include "client/inspect/inspection_json.h"
#include "client/inspect/inspection_text.h"
#include "client/text/progress.h"
#include "client/text/text.h"
#include "server/base/status.h"

namespace torchferry::client {
namespace {

using Json = nlohmann::ordered_json;

struct InspectCommandOptions {
  std::vector<std::string> files;
  InspectOptions inspect;
  bool scaffold = false;  // print a forward.py to start from, and nothing else
};

absl::StatusOr<Inspection> InspectOne(const std::string& path, const InspectOptions& options, const Console& console) {
  ProgressBar bar(console, path);
  return Inspect(path, options, [&](uint64_t done, uint64_t all) { bar.Update(done, all); });
}

// A version in a store is served as it stands or not at all; a file alone may get its architecture yet.
bool IsServable(const Inspection& inspection) { return inspection.missing.ok() || !inspection.has_config; }

Json ErrorJson(const std::string& path, const absl::Status& status) {
  return {{"path", path},
          {"servable", false},
          {"error", {{"code", base::CodeName(status.code())}, {"message", base::MessageOf(status)}}}};
}

absl::Status PrintScaffold(const Inspection& inspection, const Console& console) {
  const checkpoint::FileFormat format = inspection.plan.format;
  if (format == checkpoint::FileFormat::kTorchScript || format == checkpoint::FileFormat::kExportedProgram) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                            "{}: is a {}, which brings its own code; --scaffold is for state_dicts", inspection.path,
                            format == checkpoint::FileFormat::kTorchScript ? "TorchScript archive" : Name(format));
  }
  console.out << inspection.scaffold;
  return absl::OkStatus();
}

// kNotServable when one of the files cannot be served; the others are shown all the same.
absl::StatusOr<ExitCode> InspectFiles(const InspectCommandOptions& options, const Console& console) {
  Json files = Json::array();
  ExitCode code = ExitCode::kOk;
  const char* separator = "";
  for (const std::string& path : options.files) {
    const absl::StatusOr<Inspection> inspection = InspectOne(path, options.inspect, console);
    if (!inspection.ok() || !IsServable(*inspection)) code = ExitCode::kNotServable;
    if (console.json) {
      files.push_back(inspection.ok() ? ToJson(*inspection) : ErrorJson(path, inspection.status()));
      if (inspection.ok()) files.back()["servable"] = IsServable(*inspection);
    } else if (!inspection.ok()) {
      console.err << ErrorText(inspection.status(), false);
    } else if (options.scaffold) {
      FERRY_RETURN_IF_ERROR(PrintScaffold(*inspection, console));
    } else {
      console.out << separator << InspectionText(*inspection, console);
      separator = "\n";
    }
  }
  if (console.json) console.out << DumpJson({{"files", std::move(files)}});
  return code;
}

}  // namespace

void AddInspect(CLI::App& app, Invocation& invocation) {
  CLI::App* command = app.add_subcommand(
      "inspect", "Show what model files contain and how the server would serve them; needs no server");
  const auto options = std::make_shared<InspectCommandOptions>();
  command->add_option("files", options->files, "Model files, in a store or not")->type_name("FILE")->required();
  AddSetting(*command, "--device", options->inspect.device, "As the server's --device", "DEVICE");
  command
      ->add_option("--config", options->inspect.config,
                   "A config.pbtxt (default: that of the store that contains the file)")
      ->type_name("FILE");
  command->add_flag("--trust-model-code", options->inspect.trust_model_code, "As the server's --trust-model-code");
  command->add_flag("--torchscript,!--no-torchscript", options->inspect.torchscript,
                    "As the server's --no-torchscript");
  command->add_flag("--follow-links-out-of-store", options->inspect.follows_links_out,
                    "As the server's --follow-links-out-of-store, for a file in a version's folder");
  command
      ->add_option("--trusted-digests", options->inspect.trusted_digests,
                   "As the server's --trusted-digests: a file that is not on the list is not read")
      ->type_name("FILE");
  command->add_flag("--scaffold", options->scaffold, "Only write a forward.py to start from, for a state_dict");
  command->footer(
      "Examples:\n"
      "  torchferry inspect model_store/crepe_tiny/1/*.pth\n"
      "  torchferry inspect --scaffold weights.pth > forward.py");
  command->callback([options, &invocation] {
    invocation.run_local = [options](const Console& console) { return InspectFiles(*options, console); };
  });
}

}  // namespace torchferry::client
