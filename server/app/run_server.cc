#include "server/app/run_server.h"

#include <absl/synchronization/mutex.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <string>
#include <utility>
#include <variant>

#include "server/app/check_store.h"
#include "server/app/flags.h"
#include "server/app/library_logs.h"
#include "server/app/server_app.h"
#include "server/app/stop_signals.h"
#include "server/app/tune_store.h"
#include "server/base/file_limit.h"
#include "server/base/heap.h"
#include "server/base/log_output.h"
#include "server/base/logging.h"
#include "server/base/status.h"
#include "server/host/host.h"

namespace torchferry::app {
namespace {

constexpr int kDeviceLossExitCode = 3;
constexpr int kStuckExitCode = 4;
// For the last lines, should nobody read them.
constexpr base::Duration kLastLines = std::chrono::seconds(1);

void SetUpProcess(const ServerFlags& flags) {
  base::SetUpHeaps(host::ProbeHost().cpu_quota);
  // What goes as it should is in the table of --tune and --check.
  const bool has_table = flags.tunes_store || flags.checks_store;
  const bool is_told = !has_table || flags.log_level != base::LogLevel::kInfo;
  base::InitLogging(flags.log_format, is_told ? flags.log_level : base::LogLevel::kWarning);
  base::StartLogQueue();
  TakeLibraryLogs();
  // Debian builds Abseil with its search for lock cycles on, for which each of gRPC's locks pays.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  base::RaiseFileLimit();  // a connection is one
  std::signal(SIGPIPE, SIG_IGN);
}

void WaitForStop(const ServerFlags& flags) {
  const int signal = WaitForStopSignal();
  const bool is_ours = signal == kDeviceLossSignal || signal == kStuckSignal;
  const char* why = signal == kDeviceLossSignal ? "device loss"
                    : signal == kStuckSignal    ? "stuck"
                    : signal == SIGTERM         ? "SIGTERM"
                                                : "SIGINT";
  base::LogInfo("draining", {{"signal", why}, {"drain_timeout_seconds", flags.drain_timeout_seconds}});
  // The orchestrator's signal that follows one of ours is no second one, and neither is ours.
  if (!is_ours) LetStopSignalsEndTheProcess();
}

int Stop(ServerApp& app, const ServerFlags& flags) {
  const bool is_stuck = app.HasBeenStuck();
  const bool all_answered = app.Stop();
  base::LogInfo("stopped", {{"all_answered", all_answered}});
  const int code = app.HasLostDevice() && flags.exit_on_device_loss ? kDeviceLossExitCode
                   : is_stuck && flags.exit_on_stuck                ? kStuckExitCode
                   : all_answered                                   ? 0
                                                                    : 1;
  base::FlushLog(kLastLines);
  if (app.MustLeaveByExit()) _exit(code);
  return code;
}

}  // namespace

int RunServer(int argc, char** argv, std::vector<std::unique_ptr<libtorch::DeviceProvider>> providers) {
  std::vector<std::string> device_types = {"cpu"};
  for (const auto& provider : providers) device_types.emplace_back(provider->type());
  const auto parsed = ParseFlags(argc, argv, device_types);
  if (const int* exit_code = std::get_if<int>(&parsed)) return *exit_code;
  const auto& flags = std::get<ServerFlags>(parsed);
  SetUpProcess(flags);
  if (flags.tunes_store) return TuneStore(flags, std::move(providers));
  if (flags.checks_store) return CheckStore(flags, std::move(providers));
  auto app = ServerApp::Start(flags, std::move(providers));
  if (!app.ok()) {
    base::LogError("cannot start", {{"reason", base::MessageOf(app.status())}});
    base::FlushLog(kLastLines);
    return 1;
  }
  WaitForStop(flags);
  return Stop(**app, flags);
}

}  // namespace torchferry::app
