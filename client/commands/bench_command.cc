// `bench`: learn what the model takes, make a request, try it once, send it in steps, report.
#include <algorithm>
#include <memory>
#include <ostream>
#include <random>
#include <utility>

#include "client/bench/bench_inputs.h"
#include "client/bench/bench_load.h"
#include "client/bench/bench_options.h"
#include "client/bench/bench_plan.h"
#include "client/bench/bench_report.h"
#include "client/commands/commands.h"
#include "client/commands/flags.h"
#include "client/commands/interrupt.h"
#include "client/commands/ready_version.h"
#include "client/tensor/array_proto.h"
#include "client/text/progress.h"
#include "server/base/file_limit.h"
#include "server/base/status.h"

namespace torchferry::client {
namespace {

constexpr auto kConnectTime = std::chrono::seconds(5);

// The request's inputs; what they are goes to `report`.
absl::StatusOr<NamedArrays> MakeInputs(const BenchOptions& options, uint64_t seed, const v1::ModelVersion& model,
                                       const Console& console, BenchReport* report) {
  FERRY_ASSIGN_OR_RETURN(const BenchInputs completed,
                         CompleteInputs(options.inputs, options.shapes, options.rows.value_or(1), model));
  FERRY_ASSIGN_OR_RETURN(NamedArrays inputs, ResolveInputs(completed.inputs, seed, model, console));
  FERRY_ASSIGN_OR_RETURN(report->rows, RowsOf(inputs, options.rows, model));
  for (const auto& [name, array] : inputs) {
    const bool is_generated = std::ranges::find(completed.generated, name) != completed.generated.end();
    report->inputs.push_back({name, array.dtype, array.shape, is_generated});
  }
  return inputs;
}

grpc::ByteBuffer Serialise(const v1::PredictRequest& request) {
  const grpc::Slice bytes(request.SerializeAsString());
  return grpc::ByteBuffer(&bytes, 1);
}

BenchTarget MakeTarget(const Connection& connection, const v1::PredictRequest& request, int connections) {
  base::RaiseFileLimit();  // each is one
  BenchTarget target{{}, Serialise(request), connection.options()};
  for (int i = 0; i < connections; ++i) target.channels.push_back(connection.NewChannel());
  // So that no step begins with it. One that does not come shows in the calls.
  for (const auto& channel : target.channels) channel->GetState(/*try_to_connect=*/true);
  const auto deadline = std::chrono::system_clock::now() + kConnectTime;
  for (const auto& channel : target.channels) channel->WaitForConnected(deadline);
  return target;
}

// The steps, until the last one, Ctrl-C or the server's end, whose error is returned.
absl::Status RunSteps(const BenchTarget& target, const Console& console, BenchReport* report) {
  const InterruptScope interrupt;
  const BenchPlan& plan = report->plan;
  const auto step_time = plan.warm_up + plan.duration;
  const auto all = static_cast<uint64_t>(step_time.count()) * plan.steps.size();
  ProgressBar progress(console, "bench " + report->model_name);
  for (const BenchStep& step : plan.steps) {
    const auto before = static_cast<uint64_t>(step_time.count()) * report->steps.size();
    const auto on_tick = [&](std::chrono::nanoseconds elapsed) {
      progress.Update(before + static_cast<uint64_t>(std::min(elapsed, step_time).count()), all);
      return !interrupt.IsInterrupted();
    };
    StepResult result = RunStep(plan, step, target, on_tick);
    report->steps.push_back({step, std::move(result.stats)});
    if (!result.gone.ok()) return result.gone;
    report->was_interrupted = interrupt.IsInterrupted();
    if (report->was_interrupted) break;
  }
  return absl::OkStatus();
}

ExitCode ExitCodeOfFirstError(const BenchReport& report) {
  for (const BenchReport::Step& step : report.steps) {
    if (!step.stats.errors().empty()) return ExitCodeOf(step.stats.errors()[0].first);
  }
  return ExitCode::kOk;
}

// Puts the model under load, step by step, and shows what came of it. The exit code is that of the first request that
// failed. Ends early, with what there is and the error, when the server goes away; likewise, without an error, at
// Ctrl-C.
absl::StatusOr<ExitCode> Bench(const BenchOptions& options, Connection& connection, const Console& console) {
  const uint64_t seed = options.seed ? *options.seed : std::random_device()();
  BenchReport report;
  FERRY_ASSIGN_OR_RETURN(report.plan, MakeBenchPlan(options, seed));
  FERRY_ASSIGN_OR_RETURN(const ModelRef ref, ParseModelRef(options.model));
  FERRY_ASSIGN_OR_RETURN(const v1::ModelVersion model, FindReadyVersion(ref, connection));
  FERRY_ASSIGN_OR_RETURN(NamedArrays inputs, MakeInputs(options, seed, model, console, &report));
  v1::PredictRequest request;
  request.set_model_name(ref.name);
  request.set_model_version(ref.version);
  for (auto& [name, array] : inputs) (*request.mutable_inputs())[name] = ToProto(std::move(array));

  // What no server takes should not be sent by the thousand.
  FERRY_ASSIGN_OR_RETURN(const v1::PredictResponse response, connection.Predict(request));
  report.model_name = ref.name;
  report.model_version = response.model_version();
  report.server_version = connection.ServerVersion();
  report.timeout = connection.options().timeout;

  const BenchTarget target = MakeTarget(connection, request, report.plan.connections);
  const absl::Status gone = RunSteps(target, console, &report);
  console.out << (console.json ? DumpJson(BenchJson(report)) : BenchText(report, options.histogram, console));
  if (!gone.ok()) return gone;
  return ExitCodeOfFirstError(report);
}

void AddRequestFlags(CLI::App& command, BenchOptions& options) {
  AddModelArgument(command, options.model, "The model; without a version the newest that is ready");
  command
      .add_option("inputs", options.inputs,
                  "As for predict; inputs that you omit are generated as the model declares them")
      ->type_name("NAME=VALUE");
  AddList(command, "--shape", options.shapes,
          "Sizes of a generated input, without the batch dimension (may be repeated)", "NAME:3,224,224");
  AddSetting(command, "--rows", options.rows, "Rows of each request, if the model batches (default 1)", "N");
  AddSetting(command, "--seed", options.seed, "Seed of generated inputs and Poisson arrivals", "NUMBER");
}

void AddLoadFlags(CLI::App& command, BenchOptions& options) {
  AddSetting(command, "--concurrency", options.concurrency,
             "Closed loop: N requests are in flight, each followed by the next. Several values are a step each "
             "(default 1)",
             "N[,N]");
  AddSetting(command, "--rate", options.rate,
             "Open loop: N requests a second, whether earlier ones are answered or not. Latency counts from the time "
             "at which a request was due",
             "N[,N]");
  AddSetting(command, "--arrivals", options.arrivals, "With --rate: constant or poisson", "KIND");
  AddSetting(command, "--max-outstanding", options.max_outstanding,
             "With --rate: max requests in flight; a request that is due beyond them is not sent", "N");
  AddSetting(command, "--duration", options.duration_seconds, "Length of each step", "SECONDS");
  AddSetting(command, "--warm-up", options.warm_up_seconds, "Time before each step whose requests do not count",
             "SECONDS");
  AddSetting(command, "--connections", options.connections, "TCP connections that share the requests", "N");
  AddSetting(command, "--threads", options.threads,
             "Threads that share the connections and wait for answers; one costs the least processor time", "N");
}

}  // namespace

void AddBench(CLI::App& app, Invocation& invocation) {
  CLI::App* command = app.add_subcommand("bench", "Load-test a model");
  const auto options = std::make_shared<BenchOptions>();
  AddRequestFlags(*command, *options);
  AddLoadFlags(*command, *options);
  command->add_flag("--histogram", options->histogram, "Draw the latencies of every step, not only of the last");
  command->footer(
      "Ctrl-C ends it and shows the results so far.\n"
      "Examples:\n"
      "  torchferry bench crepe_tiny --concurrency 1,4,16\n"
      "  torchferry bench cifar_cnn --rows 8 --rate 100,200 --arrivals poisson --json\n"
      "  torchferry bench detector --shape image:3,480,640 threshold=0.5");
  command->callback([options, &invocation] {
    invocation.run = [options](Connection& connection, const Console& console) {
      return Bench(*options, connection, console);
    };
  });
}

}  // namespace torchferry::client
