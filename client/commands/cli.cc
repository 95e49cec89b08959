#include "client/commands/cli.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <ostream>
#include <utility>

#include "client/commands/commands.h"
#include "client/commands/exit_code.h"
#include "client/rpc/token.h"
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
    AddPredict(app_, invocation_);
    AddBench(app_, invocation_);
    AddModels(app_, invocation_);
    AddAdmin(app_, invocation_);
    AddHealth(app_, invocation_);
    AddInspect(app_, invocation_);
    AddPythonCommands(app_, invocation_);
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
    app_.add_option("--address", connection_.address, "The server's gRPC HOST:PORT, or unix:PATH")
        ->envname("TORCHFERRY_ADDRESS")
        ->type_name("HOST:PORT")
        ->capture_default_str();
    AddTlsFlags();
    timeout_ =
        app_.add_option("--timeout", timeout_seconds_,
                        "Deadline of each call. Default for health --watch, predict --stream, load and unload: none")
            ->type_name("SECONDS")
            ->capture_default_str();
    app_.add_option("--max-message-mib", max_message_mib_, "Max size of an answer")
        ->type_name("MIB")
        ->check(CLI::Range(1, 2047).description(""))
        ->capture_default_str();
    app_.add_option("--token-file", token_file_, "File with the token of the caller")
        ->envname("TORCHFERRY_TOKEN_FILE")
        ->type_name("FILE");
    app_.add_option("--token", token_, "The token itself; other users of this host can see it")
        ->envname("TORCHFERRY_TOKEN")
        ->type_name("TOKEN");
    app_.add_flag("--insecure-token", connection_.insecure_token,
                  "Send the token to another host even without encryption");
    app_.add_flag("--json", console_.json, "Write results and errors as JSON");
  }

  void AddTlsFlags() {
    TlsOptions& tls = connection_.tls;
    app_.add_flag("--tls", tls.is_asked_for, "Use TLS; each of the following flags implies it")
        ->envname("TORCHFERRY_TLS");
    AddFile("--tls-ca", tls.files.ca,
            "PEM file of the authorities that may have issued the server's certificate; default: those of this host")
        ->envname("TORCHFERRY_TLS_CA");
    AddFile("--tls-client-cert", tls.files.certificate, "PEM file of the client's certificate (mTLS)")
        ->envname("TORCHFERRY_TLS_CLIENT_CERT");
    AddFile("--tls-client-key", tls.files.key, "PEM file of the client certificate's key")
        ->envname("TORCHFERRY_TLS_CLIENT_KEY");
    app_.add_option("--tls-server-name", tls.server_name, "Name in the server's certificate, if --address has another")
        ->envname("TORCHFERRY_TLS_SERVER_NAME")
        ->type_name("NAME");
  }

  CLI::Option* AddFile(const char* name, std::string& path, const char* description) {
    return app_.add_option(name, path, description)->type_name("FILE");
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
    if (invocation_.run || invocation_.run_local) return true;
    return absl::InvalidArgumentError(
        "say what to do: predict, bench, models, model, load, unload, health, inspect, convert or pull; see "
        "torchferry --help");
  }

  absl::StatusOr<ExitCode> ParseAndRun() {
    FERRY_ASSIGN_OR_RETURN(const bool has_command, Parse());
    if (!has_command) return ExitCode::kOk;
    if (invocation_.run_local) return invocation_.run_local(console_);
    FERRY_RETURN_IF_ERROR(CompleteConnectionOptions());
    FERRY_ASSIGN_OR_RETURN(const std::unique_ptr<Connection> connection, Connection::Create(connection_));
    return invocation_.run(*connection, console_);
  }

  // From the flags in seconds and MiB.
  absl::Status CompleteConnectionOptions() {
    // CLI11's Range lets NaN through.
    if (!(timeout_seconds_ >= kMinTimeoutSeconds && timeout_seconds_ <= kMaxTimeoutSeconds)) {
      return base::MakeStatus(absl::StatusCode::kInvalidArgument, "--timeout {} is not from {} to {:.0f}",
                              timeout_seconds_, kMinTimeoutSeconds, kMaxTimeoutSeconds);
    }
    const bool is_endless = invocation_.may_last && timeout_->count() == 0;
    connection_.timeout.reset();
    if (!is_endless) {
      connection_.timeout = std::chrono::milliseconds(std::llround(timeout_seconds_ * 1000));
    }
    connection_.max_message_bytes = int64_t{max_message_mib_} << 20;
    FERRY_ASSIGN_OR_RETURN(connection_.token, ReadToken(token_, token_file_));
    return absl::OkStatus();
  }

  const std::vector<std::string> arguments_;
  Console& console_;
  CLI::App app_{"Talks to torchferry-server: predictions, models, health; inspects model files."};
  Connection::Options connection_;
  double timeout_seconds_ = kDefaultTimeoutSeconds;
  CLI::Option* timeout_ = nullptr;
  int max_message_mib_ = 256;
  std::string token_;
  std::string token_file_;
  Invocation invocation_;
};

}  // namespace

int RunCli(std::vector<std::string> arguments, Console console) {
  return static_cast<int>(Cli(std::move(arguments), console).Run());
}

}  // namespace torchferry::client
