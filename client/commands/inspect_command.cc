// torchferry inspect: what a model file holds and what the server would do with it.
#include <ostream>

#include "client/commands/commands.h"
#include "client/inspect/inspection.h"
#include "client/inspect/inspection_text.h"
#include "client/text/progress.h"
#include "client/text/text.h"
#include "server/base/status.h"

namespace torchferry::client {
namespace {

using Json = nlohmann::ordered_json;

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
  if (inspection.plan.format == checkpoint::FileFormat::kTorchScript) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                            "{}: is a TorchScript archive, which brings its own code; --scaffold is for state_dicts",
                            inspection.path);
  }
  console.out << inspection.scaffold;
  return absl::OkStatus();
}

}  // namespace

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

}  // namespace torchferry::client
