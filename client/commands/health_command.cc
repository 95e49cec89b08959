// `health`, over the standard gRPC health protocol.
#include <fmt/chrono.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>
#include <set>

#include "client/commands/commands.h"
#include "client/rpc/errors.h"
#include "client/text/text.h"
#include "server/base/status.h"

namespace torchferry::client {
namespace {

using grpc::health::v1::HealthCheckResponse;

struct HealthOptions {
  std::string model;      // empty: the server's readiness
  bool liveness = false;  // the process instead
  bool watch = false;
};

std::string ServiceOf(const HealthOptions& options) {
  if (options.liveness) return "liveness";
  return options.model.empty() ? "" : "model/" + options.model;
}

// What a person calls it.
std::string SubjectOf(const HealthOptions& options) {
  if (options.liveness) return "process";
  return options.model.empty() ? "server" : "model " + Printable(options.model);
}

std::string StatusName(ServingStatus status) {
  return HealthCheckResponse::ServingStatus_IsValid(status) ? HealthCheckResponse::ServingStatus_Name(status)
                                                            : "UNKNOWN";
}

ExitCode ExitCodeOf(ServingStatus status) {
  return status == HealthCheckResponse::SERVING ? ExitCode::kOk : ExitCode::kNotServing;
}

std::string UtcNow() {
  const auto now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(now));
}

void PrintStatus(const HealthOptions& options, ServingStatus status, const Console& console) {
  if (console.json) {
    nlohmann::ordered_json line = {{"service", ServiceOf(options)}, {"status", StatusName(status)}};
    if (options.watch) line["time"] = UtcNow();
    console.out << DumpJson(line);
  } else {
    const Style style = ExitCodeOf(status) == ExitCode::kOk ? Style::kGood : Style::kBad;
    Table table;
    std::vector<Cell> cells = {SubjectOf(options), {StatusName(status), style}};
    if (options.watch) cells.insert(cells.begin(), UtcNow());
    table.AddRow(std::move(cells));
    console.out << table.Render(console.color);
  }
  console.out.flush();  // a watch may go on for long
}

absl::StatusOr<ExitCode> Watch(const HealthOptions& options, Connection& connection, const Console& console) {
  std::optional<ServingStatus> last;
  const absl::Status status = connection.WatchHealth(ServiceOf(options), [&](ServingStatus now) {
    if (last != now) PrintStatus(options, now, console);
    last = now;
  });
  // The time that --timeout gave is over: that is how a watch ends well.
  const bool is_over = status.code() == absl::StatusCode::kDeadlineExceeded;
  if (is_over && last) return ExitCodeOf(*last);
  return status.ok() ? absl::StatusOr<ExitCode>(ExitCode::kOk) : status;
}

// The health protocol does not say which models there are.
absl::Status UnknownModel(const std::string& model, Connection& connection) {
  FERRY_ASSIGN_OR_RETURN(const v1::ListModelsResponse response, connection.ListModels());
  std::set<std::string> names;
  for (const v1::ModelVersion& version : response.versions()) names.insert(version.model_name());
  return FromServer(base::MakeStatus(absl::StatusCode::kNotFound, "model \"{}\" is not in the store; it has: {}", model,
                                     names.empty() ? "no models" : fmt::format("{}", fmt::join(names, ", "))));
}

// kNotServing for anything but SERVING.
absl::StatusOr<ExitCode> Health(const HealthOptions& options, Connection& connection, const Console& console) {
  if (options.watch) return Watch(options, connection, console);
  const absl::StatusOr<ServingStatus> status = connection.CheckHealth(ServiceOf(options));
  if (absl::IsNotFound(status.status()) && !options.model.empty()) {
    return UnknownModel(options.model, connection);
  }
  if (!status.ok()) return status.status();
  PrintStatus(options, *status, console);
  return ExitCodeOf(*status);
}

}  // namespace

void AddHealth(CLI::App& app, Invocation& invocation) {
  CLI::App* command = app.add_subcommand("health", "Ask whether the server, or a model, is ready");
  const auto options = std::make_shared<HealthOptions>();
  CLI::Option* model = command->add_option("--model", options->model, "Readiness of this model")->type_name("MODEL");
  command->add_flag("--liveness", options->liveness, "Whether the process runs, ready or not")->excludes(model);
  command->add_flag("--watch", options->watch, "Print each change until Ctrl-C or --timeout");
  command->callback([options, &invocation] {
    invocation.may_last = options->watch;
    invocation.run = [options](Connection& connection, const Console& console) {
      return Health(*options, connection, console);
    };
  });
}

}  // namespace torchferry::client
