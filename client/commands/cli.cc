#include "client/commands/cli.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <memory>
#include <ostream>
#include <utility>

#include "client/commands/commands.h"
#include "client/commands/exit_code.h"
#include "server/base/status.h"

namespace torchferry::client {
namespace {

constexpr double kDefaultTimeoutSeconds = 30;
constexpr double kMinTimeoutSeconds = 0.001;
constexpr double kMaxTimeoutSeconds = 1e7;  // far from what a time point cannot hold

class Cli {
 public:
  Cli(std::vector<std::string> arguments, Console& console) : arguments_(std::move(arguments)), console_(console) {
    app_.name("torchferry");
    app_.set_version_flag("--version", "torchferry " TORCHFERRY_VERSION);
    app_.footer(kExitCodeHelp);
    app_.fallthrough();  // global flags may stand behind the command
    app_.require_subcommand(0, 1);
    AddGlobalFlags();
    AddPredict();
    AddBench();
    AddModels();
    AddAdmin();
    AddHealth();
    AddInspect();
  }

  ExitCode Run() {
    absl::StatusOr<ExitCode> result = ParseAndRun();
    console_.out.flush();
    if (result.ok() && !console_.out) {
      result = absl::InvalidArgumentError("cannot write the output");
    }
    if (result.ok()) return *result;
    console_.err << ErrorText(result.status(), console_.json);
    return ExitCodeOf(result.status());
  }

 private:
  void AddGlobalFlags() {
    app_.add_option("--address", connection_.address, "The server's gRPC HOST:PORT")
        ->envname("TORCHFERRY_ADDRESS")
        ->type_name("HOST:PORT")
        ->capture_default_str();
    timeout_ = app_.add_option("--timeout", timeout_seconds_,
                               "Deadline of each call (health --watch, predict --stream, load, "
                               "unload: none unless given)")
                   ->type_name("SECONDS")
                   ->capture_default_str();
    app_.add_option("--max-message-mib", max_message_mib_, "Largest answer that is taken")
        ->type_name("MIB")
        ->check(CLI::Range(1, 2047).description(""))
        ->capture_default_str();
    app_.add_flag("--json", console_.json, "Write JSON, errors too");
  }

  void AddPredict() {
    CLI::App* command = app_.add_subcommand("predict", "Run a model on inputs");
    command->add_option("model", predict_.model, "The model; without a version the newest that is ready")
        ->type_name("MODEL[:VERSION]")
        ->required();
    command
        ->add_option("inputs", predict_.inputs,
                     "One for each input of the model:\n"
                     "  NAME=@FILE.npy     a numpy file (@- is standard input)\n"
                     "  NAME=@FILE.json    nested lists\n"
                     "  NAME=[[1, 2.5]]    JSON; \"NaN\" and \"Infinity\" in quotes\n"
                     "  NAME=random        made-up values in the declared shape\n"
                     "  NAME=random[2,3]   the same, in this shape\n"
                     "  NAME:FP32=…        as this dtype instead of the declared one")
        ->type_name("NAME=VALUE");
    AddList(command, "--output", &predict_.outputs, "Only this output (may be repeated)", "NAME");
    AddList(command, "--save", &predict_.save, "Write this output to a .npy file (may be repeated)", "NAME=FILE");
    command->add_option("--request-id", predict_.request_id, "Sent along, and echoed")->type_name("ID");
    command->add_option("--seed", predict_.seed, "Makes NAME=random the same each time")->type_name("NUMBER");
    command->add_flag("--stream", predict_.stream,
                      "One request for each step along the first dimension of the inputs, all over "
                      "one stream (no deadline unless --timeout is given); an input of one element "
                      "goes with each. A stateful model keeps its state from step to step");
    command->footer(
        "Examples:\n"
        "  torchferry predict crepe_tiny frames=@tone.npy\n"
        "  torchferry predict crepe_tiny:1 frames=random --output pitch_hz --json\n"
        "  torchferry predict silero_vad x=@speech.npy sr=16000 --stream");
    OnRun(command, [this](Connection& connection) {
      return predict_.stream ? PredictStream(predict_, connection, console_) : Predict(predict_, connection, console_);
    });
  }

  void AddBench() {
    CLI::App* command = app_.add_subcommand("bench", "Put a model under load, and measure");
    command->add_option("model", bench_.model, "The model; without a version the newest that is ready")
        ->type_name("MODEL[:VERSION]")
        ->required();
    command
        ->add_option("inputs", bench_.inputs,
                     "As predict takes them; those that are left out are made up, as the model declares them")
        ->type_name("NAME=VALUE");
    AddList(command, "--shape", &bench_.shapes,
            "Sizes of a made-up input, without the batch dimension (may be repeated)", "NAME:3,224,224");
    AddSetting(command, "--rows", bench_.rows, "Rows of a request, where the model batches (default 1)", "N");
    AddSetting(command, "--seed", bench_.seed, "Makes inputs and poisson arrivals the same each time", "NUMBER");
    AddSetting(command, "--concurrency", bench_.concurrency,
               "Closed loop: so many requests are under way, each followed by the next; several are a step each "
               "(default 1)",
               "N[,N]");
    AddSetting(command, "--rate", bench_.rate,
               "Open loop: so many requests a second, whether others are answered or not; latencies count from "
               "when a request was due",
               "N[,N]");
    AddSetting(command, "--arrivals", bench_.arrivals, "Of --rate: constant or poisson", "KIND");
    AddSetting(command, "--max-outstanding", bench_.max_outstanding,
               "Of --rate: a request that is due while so many are under way is not sent", "N");
    AddSetting(command, "--duration", bench_.duration_seconds, "Of each step", "SECONDS");
    AddSetting(command, "--warm-up", bench_.warm_up_seconds, "Before each step; its requests are not counted",
               "SECONDS");
    AddSetting(command, "--connections", bench_.connections, "TCP connections, over which the requests are spread",
               "N");
    AddSetting(
        command, "--threads", bench_.threads,
        "Threads that wait for answers, over which the connections are spread; one costs the processors the least",
        "N");
    command->add_flag("--histogram", bench_.histogram, "Draw the latencies of each step, not just of the last");
    command->footer(
        "Ctrl-C ends it and shows what there is.\n"
        "Examples:\n"
        "  torchferry bench crepe_tiny --concurrency 1,4,16\n"
        "  torchferry bench cifar_cnn --rows 8 --rate 100,200 --arrivals poisson --json\n"
        "  torchferry bench detector --shape image:3,480,640 threshold=0.5");
    OnRun(command, [this](Connection& connection) { return Bench(bench_, connection, console_); });
  }

  void AddModels() {
    CLI::App* models = app_.add_subcommand("models", "List the models, their state and device");
    OnRun(models, [this](Connection& connection) { return ListModels(connection, console_); });

    CLI::App* model = app_.add_subcommand("model", "Show everything about one model");
    model->add_option("model", model_, "The model; without a version all of them")
        ->type_name("MODEL[:VERSION]")
        ->required();
    OnRun(model, [this](Connection& connection) { return ShowModel(model_, connection, console_); });
  }

  void AddAdmin() {
    CLI::App* load =
        app_.add_subcommand("load", "Load what the store has now, beside what serves, and then in its place");
    AddModelList(load, "Each model; with a version that one and no other, until it is loaded without");
    load->footer("The server must run with --enable-admin. To go back to version 3: torchferry load NAME:3");
    OnRun(load, [this](Connection& connection) { return LoadModels(admin_models_, connection, console_); });
    CLI::App* unload =
        app_.add_subcommand("unload", "Take models away, and wait until their last requests are answered");
    AddModelList(unload, "Each model; without a version all of its versions");
    OnRun(unload, [this](Connection& connection) { return UnloadModels(admin_models_, connection, console_); });
    endless_commands_ = {load, unload};
  }

  void AddModelList(CLI::App* command, const char* description) {
    command->add_option("models", admin_models_, description)->type_name("MODEL[:VERSION]")->required();
  }

  void AddHealth() {
    CLI::App* command = app_.add_subcommand("health", "Ask whether the server, or a model, is ready");
    CLI::Option* model = command->add_option("--model", health_.model, "This model's readiness")->type_name("MODEL");
    command->add_flag("--liveness", health_.liveness, "Whether the process is up, ready or not")->excludes(model);
    command->add_flag("--watch", health_.watch, "Print each change until Ctrl-C or --timeout");
    OnRun(command, [this](Connection& connection) { return Health(health_, connection, console_); });
  }

  void AddInspect() {
    CLI::App* command =
        app_.add_subcommand("inspect", "Show what model files hold and how they would be served; needs no server");
    command->add_option("files", inspect_.files, "Model files, in a store or not")->type_name("FILE")->required();
    command->add_option("--device", inspect_.inspect.device, "As the server's --device")
        ->type_name("DEVICE")
        ->capture_default_str();
    command
        ->add_option("--config", inspect_.inspect.config,
                     "A config.pbtxt (default: the one of the store that the file is in)")
        ->type_name("FILE");
    command->add_flag("--trust-model-code", inspect_.inspect.trust_model_code, "As the server's --trust-model-code");
    command->add_flag("--scaffold", inspect_.scaffold,
                      "Write a forward.py to start from, for a state_dict, and nothing else");
    command->footer(
        "Examples:\n"
        "  torchferry inspect model_store/crepe_tiny/1/*.pth\n"
        "  torchferry inspect --scaffold weights.pth > forward.py");
    command->callback([this] { run_local_ = [this] { return InspectFiles(inspect_, console_); }; });
  }

  // One value a flag: what follows it may be an input.
  static void AddList(CLI::App* command, const char* name, std::vector<std::string>* values, const char* description,
                      const char* type) {
    command->add_option(name, *values, description)->type_name(type)->allow_extra_args(false);
  }

  template <typename Value>
  static void AddSetting(CLI::App* command, const char* name, Value& value, const char* description, const char* type) {
    command->add_option(name, value, description)->type_name(type)->capture_default_str();
  }

  void OnRun(CLI::App* command, std::function<absl::StatusOr<ExitCode>(Connection&)> run) {
    command->callback([this, run = std::move(run)] { run_ = run; });
  }

  // False when there is nothing left to do: help was asked for.
  absl::StatusOr<bool> Parse() {
    std::vector<std::string> reversed(arguments_.rbegin(), arguments_.rend());  // as CLI11 wants
    try {
      app_.parse(std::move(reversed));
    } catch (const CLI::Success& help) {
      app_.exit(help, console_.out, console_.err);
      return false;
    } catch (const CLI::ParseError& error) {
      // The flags that came after the wrong word were not read.
      console_.json = std::find(arguments_.begin(), arguments_.end(), "--json") != arguments_.end();
      return base::MakeStatus(absl::StatusCode::kInvalidArgument, "{}; see torchferry --help", error.what());
    }
    if (run_ || run_local_) return true;
    return absl::InvalidArgumentError(
        "say what to do: predict, bench, models, model, load, unload, health or inspect; see torchferry --help");
  }

  absl::StatusOr<ExitCode> ParseAndRun() {
    FERRY_ASSIGN_OR_RETURN(const bool has_command, Parse());
    if (!has_command) return ExitCode::kOk;
    if (run_local_) return run_local_();
    // CLI11's Range lets NaN through.
    if (!(timeout_seconds_ >= kMinTimeoutSeconds && timeout_seconds_ <= kMaxTimeoutSeconds)) {
      return base::MakeStatus(absl::StatusCode::kInvalidArgument, "--timeout {} is not from {} to {:.0f}",
                              timeout_seconds_, kMinTimeoutSeconds, kMaxTimeoutSeconds);
    }
    const bool may_last = health_.watch || predict_.stream ||
                          std::any_of(endless_commands_.begin(), endless_commands_.end(),
                                      [](const CLI::App* command) { return command->parsed(); });
    const bool is_endless = may_last && timeout_->count() == 0;
    connection_.timeout.reset();
    if (!is_endless) {
      connection_.timeout = std::chrono::milliseconds(std::llround(timeout_seconds_ * 1000));
    }
    connection_.max_message_bytes = int64_t{max_message_mib_} << 20;
    FERRY_ASSIGN_OR_RETURN(const std::unique_ptr<Connection> connection, Connection::Create(connection_));
    return run_(*connection);
  }

  const std::vector<std::string> arguments_;
  Console& console_;
  CLI::App app_{"Talks to torchferry-server: predictions, models, health; inspects model files."};
  Connection::Options connection_;
  double timeout_seconds_ = kDefaultTimeoutSeconds;
  CLI::Option* timeout_ = nullptr;
  int max_message_mib_ = 256;
  PredictOptions predict_;
  BenchOptions bench_;
  std::string model_;
  std::vector<std::string> admin_models_;
  std::vector<const CLI::App*> endless_commands_;
  HealthOptions health_;
  InspectCommandOptions inspect_;
  std::function<absl::StatusOr<ExitCode>(Connection&)> run_;
  std::function<absl::StatusOr<ExitCode>()> run_local_;  // of a command without a server
};

}  // namespace

int RunCli(std::vector<std::string> arguments, Console console) {
  return static_cast<int>(Cli(std::move(arguments), console).Run());
}

}  // namespace torchferry::client
