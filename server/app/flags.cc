#include "server/app/flags.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <map>

#include "server/app/admin_reach.h"
#include "server/app/connection_flags.h"
#include "server/app/flag_options.h"
#include "server/app/load_flags.h"
#include "server/app/tls_flags.h"
#include "server/app/version.h"
#include "server/base/status.h"
#include "server/base/unix_socket.h"
#include "server/tensor/device_id.h"

namespace torchferry::app {
namespace {

std::string CheckHostAndPort(const std::string& text) {
  const size_t colon = text.rfind(':');
  const bool has_port = colon != std::string::npos && colon + 1 < text.size() && colon > 0 &&
                        std::all_of(text.begin() + static_cast<std::ptrdiff_t>(colon) + 1, text.end(),
                                    [](unsigned char c) { return std::isdigit(c) != 0; });
  if (has_port && text.size() - colon <= 6 && std::stoi(text.substr(colon + 1)) <= 65535) return "";
  return fmt::format("\"{}\" is not HOST:PORT with a port from 0 to 65535", text);
}

// Of gRPC: a socket of this host, too.
std::string CheckAddress(const std::string& text) {
  const auto path = base::UnixPathOf(text);
  if (path.has_value()) return std::string(base::MessageOf(base::CheckUnixPath(*path)));
  const std::string error = CheckHostAndPort(text);
  return error.empty() ? "" : error + ", nor unix:/FOLDER/FILE";
}

// To octal digits and from them.
std::string ParseMode(const std::string& text, unsigned& mode) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
  if (error == std::errc() && end == text.data() + text.size() && mode <= 0777 && (mode & 0600) == 0600) return "";
  return fmt::format("\"{}\" is no mode of a socket; expected 0600 to 0777 in octal digits, such as 0660", text);
}

std::string CheckDevice(const std::string& text, const std::vector<std::string>& types) {
  if (text == "auto") return "";
  const auto device = tensor::ParseDeviceId(text);
  if (device.ok() && std::find(types.begin(), types.end(), device->type) != types.end()) return "";
  return fmt::format("\"{}\" is not a device; expected auto, or one of the types {} with or without :N", text,
                     fmt::join(types, ", "));
}

// The groups stand in the order in which --help lists them.

// Taken out by the launcher (launch.cc): it is here for --help alone.
void AddLibTorch(CLI::App& app) {
  app.add_option("--libtorch",
                 "In a package: the folder that holds LibTorch, or a site-packages that has torch. Without "
                 "it, torch beside this package, or that of a python3 of PATH")
      ->envname("TORCHFERRY_LIBTORCH");
}

void AddUnixSocketMode(CLI::App& app, ServerFlags& flags) {
  app.add_option_function<std::string>(
         "--unix-socket-mode",
         [&flags](const std::string& text) {
           const std::string error = ParseMode(text, flags.unix_socket_mode);
           if (!error.empty()) throw CLI::ValidationError("--unix-socket-mode", error);
         },
         "Permissions of a Unix socket's file, in octal; 0660 admits the group")
      ->envname(EnvironmentName("--unix-socket-mode"))
      ->default_str("0600");
}

void AddAddresses(CLI::App& app, ServerFlags& flags, const std::vector<std::string>& device_types) {
  AddFlag(app, "--model-store", flags.model_store,
          "Folder of models: NAME/VERSION/FILE. Required, except with --tune and --check")
      ->check(CLI::ExistingDirectory);
  AddFlag(app, "--grpc-address", flags.grpc_address, "HOST:PORT or unix:/FOLDER/FILE for gRPC; port 0 takes a free one")
      ->check(CheckAddress);
  AddUnixSocketMode(app, flags);
  AddFlag(app, "--metrics-address", flags.metrics_address, "HOST:PORT for /metrics, /livez, /readyz")
      ->check(CheckHostAndPort);
  AddFlag(app, "--device", flags.device, "Device of models that do not name one: auto, cpu, cuda, cuda:N")
      ->check([&device_types](const std::string& text) { return CheckDevice(text, device_types); });
}

void AddThreads(CLI::App& app, ServerFlags& flags) {
  AddFlag(app, "--grpc-threads", flags.grpc_threads,
          "Threads that read requests, write answers and run quick batches; 0: one for each four processors")
      ->check(CLI::Range(0, 256));
  AddFlag(app, "--busy-poll-microseconds", flags.busy_poll_microseconds,
          "How long a gRPC thread polls for the next request after a quick batch. It polls only while no worker "
          "computes. 0, or a host with one processor: off")
      ->check(CLI::Range(0, 1000000));
  AddFlag(app, "--workers", flags.workers, "Worker threads; 0: one for each processor that the server may use")
      ->check(CLI::Range(0, 1024));
  AddFlag(app, "--intra-op-threads", flags.intra_op_threads, "Threads that one operator of one worker may use")
      ->check(CLI::Range(1, 1024));
}

// `tuned_store`: the argument of --tune.
void AddTuning(CLI::App& app, ServerFlags& flags, std::string& tuned_store) {
  const std::map<std::string, bool> optimize = {{"auto", true}, {"off", false}};
  AddFlag(app, "--optimize", flags.optimize,
          "Whether to search for the fastest way to run a model at load: auto, off. The model's torchferry { optimize "
          "} overrides it")
      ->transform(CLI::CheckedTransformer(optimize))
      ->default_str("auto");
  AddFlag(app, "--optimize-budget-seconds", flags.optimize_budget_seconds, "Max time of that search for each version")
      ->check(CLI::Range(0.0, 3600.0));
  AddFlag(app, "--tune", tuned_store,
          "Searches for the fastest way to run each model of this store, keeps it beside the model, prints a table and "
          "ends. Give it the server's --workers, --intra-op-threads and --device. Opens no port")
      ->check(CLI::ExistingDirectory);
  app.add_flag("--deterministic", flags.deterministic,
               "No tuning, and deterministic algorithms of LibTorch: replicas give equal answers")
      ->envname("TORCHFERRY_DETERMINISTIC");
}

void AddIdentities(CLI::App& app, ServerFlags& flags) {
  AddFlag(app, "--identities", flags.identities,
          "File that says who may call what: digests of tokens and names of client certificates, with roles and "
          "models. It is read again when it changes. Without it, anybody may call everything")
      ->check(CLI::ExistingFile);
  app.add_flag("--closed-health", flags.closed_health, "With --identities: health checks need an identity, too")
      ->envname("TORCHFERRY_CLOSED_HEALTH");
  app.add_flag("--insecure-admin", flags.insecure_admin,
               "Starts even if --enable-admin lets other hosts load and unload models without an identity")
      ->envname("TORCHFERRY_INSECURE_ADMIN");
}

// `checked_store`: the argument of --check.
void AddCheck(CLI::App& app, ServerFlags& flags, std::string& checked_store) {
  AddFlag(app, "--check", checked_store,
          "Checks each version of this store: whether a server with the same flags would serve it, and how or why not. "
          "Exit code 0: all would be served; 1: some would not. Opens no port and writes nothing")
      ->check(CLI::ExistingDirectory);
  app.add_flag("--load", flags.check_loads, "With --check: also loads each version, one at a time, and runs one row")
      ->envname("TORCHFERRY_LOAD");
}

void AddLimits(CLI::App& app, ServerFlags& flags) {
  AddLoadFlags(app, flags);
  AddFlag(app, "--max-stateful-streams", flags.max_stateful_streams,
          "Max streams of a stateful model that have a state at the same time; more get RESOURCE_EXHAUSTED")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 32));
  AddFlag(app, "--stateful-stream-idle-seconds", flags.stateful_stream_idle_seconds,
          "Idle time after which a stateful stream may lose its state when another one begins. When all places are "
          "taken, the stream that has been idle longest loses its state after 30 s")
      ->check(CLI::Range(0.0, 86400.0 * 365));
  AddFlag(app, "--stateful-stream-timeout-seconds", flags.stateful_stream_timeout_seconds,
          "Idle time after which a stream with a state ends with ABORTED; 0: never")
      ->check(CLI::Range(0.0, 86400.0 * 365));
  AddFlag(app, "--max-message-mib", flags.max_message_mib, "Max size of a request and of an answer, in MiB")
      ->check(CLI::Range(int64_t{1}, int64_t{2047}));
  AddFlag(app, "--memory-budget-mib", flags.memory_budget_mib,
          "Max memory of all requests and answers, in MiB, from parsing a request until its answer has been sent; more "
          "get RESOURCE_EXHAUSTED. 0: a quarter of the memory that the server may use, and room for a message of "
          "--max-message-mib")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 24));
  AddFlag(app, "--send-timeout-seconds", flags.send_timeout_seconds,
          "How long a client may take to read an answer of more than 64 KiB; each MiB adds a second. Then the call is "
          "cancelled")
      ->check(CLI::Range(1.0, 86400.0));
}

void AddLoadMemory(CLI::App& app, ServerFlags& flags) {
  app.add_flag("--check-load-memory,!--no-check-load-memory", flags.check_load_memory,
               "Refuses a version that needs more memory for loading than is free, before it is read")
      ->envname("TORCHFERRY_CHECK_LOAD_MEMORY");
}

void AddStuck(CLI::App& app, ServerFlags& flags) {
  AddFlag(app, "--forward-timeout-seconds", flags.forward_timeout_seconds,
          "Max time of one forward pass; then the version is suspect. The model's parameter forward_timeout_seconds "
          "overrides it")
      ->check(CLI::Range(0.001, 86400.0));
  AddFlag(app, "--load-timeout-seconds", flags.load_timeout_seconds,
          "Max time of loading a version. The model's parameter load_timeout_seconds overrides it")
      ->check(CLI::Range(0.001, 86400.0));
  AddFlag(app, "--load-threads", flags.load_threads, "How many versions may load at the same time")
      ->check(CLI::Range(1, 64));
  AddFlag(app, "--max-stuck-threads", flags.max_stuck_threads,
          "Max number of stuck workers, and of stuck loading threads, that are replaced; 0: none")
      ->check(CLI::Range(0, 1024));
  app.add_flag("--exit-on-stuck", flags.exit_on_stuck,
               "Drains and ends with exit code 4 when a forward pass or a load exceeds its time limit")
      ->envname("TORCHFERRY_EXIT_ON_STUCK");
}

void AddLifeCycle(CLI::App& app, ServerFlags& flags) {
  AddFlag(app, "--drain-timeout-seconds", flags.drain_timeout_seconds,
          "On SIGTERM: max time for the requests in flight")
      ->check(CLI::Range(0.0, 86400.0));
  AddFlag(app, "--shutdown-delay-seconds", flags.shutdown_delay_seconds,
          "On SIGTERM: how long the server is not ready but still takes requests, until load balancers notice")
      ->check(CLI::Range(0.0, 3600.0));
  const std::map<std::string, registry::ReadinessPolicy> policies = {{"any", registry::ReadinessPolicy::kAny},
                                                                     {"all", registry::ReadinessPolicy::kAll}};
  AddFlag(app, "--readiness", flags.readiness,
          "any: ready when some model is ready and none is loading. all: ready when all models are")
      ->transform(CLI::CheckedTransformer(policies))
      ->default_str("any");
}

void AddOutput(CLI::App& app, ServerFlags& flags) {
  const std::map<std::string, base::LogFormat> formats = {{"text", base::LogFormat::kText},
                                                          {"json", base::LogFormat::kJson}};
  AddFlag(app, "--log-format", flags.log_format, "text, json")
      ->transform(CLI::CheckedTransformer(formats))
      ->default_str("text");
  const std::map<std::string, base::LogLevel> levels = {{"debug", base::LogLevel::kDebug},
                                                        {"info", base::LogLevel::kInfo},
                                                        {"warning", base::LogLevel::kWarning},
                                                        {"error", base::LogLevel::kError}};
  AddFlag(app, "--log-level", flags.log_level, "debug, info, warning, error")
      ->transform(CLI::CheckedTransformer(levels))
      ->default_str("info");
  AddFlag(app, "--state-dir", flags.state_dir,
          "Folder that records which versions are loading. A version that was loading when a server died, twice, is "
          "not loaded again. Servers may share it. Empty: no record")
      ->check([](const std::string& text) { return text.empty() ? "" : CLI::ExistingDirectory(text); });
  AddFlag(app, "--port-file", flags.port_file,
          "Writes the bound addresses to this file, as one line of JSON, once the server listens");
}

void AddModelChanges(CLI::App& app, ServerFlags& flags) {
  app.add_flag("--enable-admin", flags.enable_admin,
               "Allows RPCs to load and unload models (ModelAdminService, RepositoryModelLoad/Unload)")
      ->envname("TORCHFERRY_ENABLE_ADMIN");
  AddFlag(app, "--admin-address", flags.admin_address,
          "With --enable-admin: a separate HOST:PORT or unix:/FOLDER/FILE for these RPCs; without it they are on "
          "--grpc-address")
      ->check(CheckAddress);
  const std::map<std::string, bool> controls = {{"all", false}, {"explicit", true}};
  AddFlag(app, "--model-control", flags.loads_by_call_alone,
          "Which models load at the start: all, or explicit: those of --load-model. Others load by RPC")
      ->transform(CLI::CheckedTransformer(controls))
      ->default_str("all");
  AddFlag(app, "--load-model", flags.load_models,
          "With --model-control explicit: a model to load at the start, or * for all; may be repeated")
      ->delimiter(',')
      ->default_str("");
  app.add_flag("--watch", flags.watch, "Watches the store for models and versions that appear, change or disappear")
      ->envname("TORCHFERRY_WATCH");
  AddFlag(app, "--watch-interval-seconds", flags.watch_interval_seconds,
          "With --watch: time between two scans of the store")
      ->check(CLI::Range(0.05, 86400.0));
}

void AddDeviceLoss(CLI::App& app, ServerFlags& flags) {
  AddFlag(app, "--device-probe-interval-seconds", flags.device_probe_interval_seconds,
          "Time between two probes of an idle GPU, to notice its loss")
      ->check(CLI::Range(0.05, 86400.0));
  app.add_flag("--exit-on-device-loss", flags.exit_on_device_loss,
               "Drains and ends with exit code 3 when a device is lost")
      ->envname("TORCHFERRY_EXIT_ON_DEVICE_LOSS");
}

void AddPermissions(CLI::App& app, ServerFlags& flags) {
  app.add_flag("--reflection,!--no-reflection", flags.reflection, "gRPC server reflection")
      ->envname("TORCHFERRY_REFLECTION");
  app.add_flag("--trust-model-code", flags.trust_model_code,
               "Allows TorchScript that reaches outside the model (files, RPC)")
      ->envname("TORCHFERRY_TRUST_MODEL_CODE");
  app.add_flag("--torchscript,!--no-torchscript", flags.torchscript,
               "Serves TorchScript archives, which contain code; without them, only state_dicts with a forward.py")
      ->envname("TORCHFERRY_TORCHSCRIPT");
  app.add_flag("--follow-links-out-of-store", flags.follow_links_out_of_store,
               "Allows models that are links to files and folders outside --model-store")
      ->envname("TORCHFERRY_FOLLOW_LINKS_OUT_OF_STORE");
  AddFlag(app, "--trusted-digests", flags.trusted_digests,
          "List of SHA-256 digests, as sha256sum writes it; read again for each load. A version with a file that is "
          "not on the list fails. Empty: every file may be loaded")
      ->check(CheckFile);
}

// What no single flag's check sees.
void CheckTogether(const ServerFlags& flags) {
  // CLI11's Range lets NaN through.
  for (const double seconds : {flags.drain_timeout_seconds, flags.shutdown_delay_seconds, flags.watch_interval_seconds,
                               flags.device_probe_interval_seconds, flags.optimize_budget_seconds,
                               flags.stateful_stream_idle_seconds, flags.stateful_stream_timeout_seconds,
                               flags.send_timeout_seconds, flags.forward_timeout_seconds, flags.load_timeout_seconds}) {
    if (std::isnan(seconds)) throw CLI::ValidationError("a flag in seconds", "is NaN; expected a number");
  }
  CheckConnectionFlags(flags);
  if (flags.model_store.empty()) throw CLI::RequiredError("--model-store");
  if (flags.tunes_store && (!flags.optimize || flags.deterministic)) {
    throw CLI::ValidationError("--tune", "has nothing to seek with --optimize off or --deterministic; leave that out");
  }
  if (flags.tunes_store && flags.checks_store) {
    throw CLI::ValidationError("--check", "and --tune are two runs; leave one out");
  }
  if (flags.check_loads && !flags.checks_store) {
    throw CLI::ValidationError("--load", "has no effect without --check");
  }
  if (!flags.load_models.empty() && !flags.loads_by_call_alone) {
    throw CLI::ValidationError("--load-model", "has no effect without --model-control explicit: all models are loaded");
  }
  if (flags.loads_by_call_alone && flags.watch) {
    throw CLI::ValidationError("--watch", "loads models that --model-control explicit leaves to RPCs; leave one out");
  }
  if (flags.loads_by_call_alone && flags.load_models.empty() && !flags.enable_admin) {
    throw CLI::ValidationError("--model-control",
                               "explicit loads nothing: name models with --load-model, or add --enable-admin");
  }
  if (flags.closed_health && flags.identities.empty()) {
    throw CLI::ValidationError("--closed-health", "has no effect without --identities");
  }
  if (flags.insecure_admin && !flags.enable_admin) {
    throw CLI::ValidationError("--insecure-admin", "has no effect without --enable-admin");
  }
  if (const std::string why = WhyAdminIsOpen(flags); !why.empty()) throw CLI::ValidationError("--enable-admin", why);
  if (!flags.admin_address.empty() && !flags.enable_admin) {
    throw CLI::ValidationError("--admin-address", "has no effect without --enable-admin");
  }
}

}  // namespace

bool LoadsAtStart(const ServerFlags& flags, const std::string& model) {
  return !flags.loads_by_call_alone || std::ranges::any_of(flags.load_models, [&model](const std::string& name) {
    return name == "*" || name == model;
  });
}

std::variant<ServerFlags, int> ParseFlags(int argc, char** argv, const std::vector<std::string>& device_types) {
  ServerFlags flags;
  std::string tuned_store;
  std::string checked_store;
  TlsWords tls_words;
  CLI::App app(
      "Serves PyTorch models over gRPC, on a GPU where there is one and on the CPU otherwise.\n"
      "Each flag is also an environment variable: --model-store is TORCHFERRY_MODEL_STORE.",
      "torchferry-server");
  app.set_version_flag("--version", std::string("torchferry-server ") + kVersion);
  AddLibTorch(app);
  AddAddresses(app, flags, device_types);
  AddTlsFlags(app, flags, tls_words);
  AddThreads(app, flags);
  AddTuning(app, flags, tuned_store);
  AddCheck(app, flags, checked_store);
  AddLimits(app, flags);
  AddConnectionFlags(app, flags);
  AddLoadMemory(app, flags);
  AddStuck(app, flags);
  AddLifeCycle(app, flags);
  AddOutput(app, flags);
  AddModelChanges(app, flags);
  AddIdentities(app, flags);
  AddDeviceLoss(app, flags);
  AddPermissions(app, flags);
  try {
    app.parse(argc, argv);
    flags.tunes_store = !tuned_store.empty();
    flags.checks_store = !checked_store.empty();
    if (flags.tunes_store) flags.model_store = tuned_store;
    if (flags.checks_store) flags.model_store = checked_store;
    ReadTlsFlags(tls_words, flags);
    CheckTogether(flags);
  } catch (const CLI::ParseError& error) {
    const bool is_help = error.get_exit_code() == 0;
    app.exit(error);
    return is_help ? 0 : 2;
  }
  return flags;
}

}  // namespace torchferry::app
