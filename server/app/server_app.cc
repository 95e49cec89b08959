#include "server/app/server_app.h"

#include <absl/synchronization/mutex.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <functional>
#include <future>
#include <thread>

#include "server/app/gpu_metrics.h"
#include "server/app/host_metrics.h"
#include "server/app/stop_signals.h"
#include "server/app/version.h"
#include "server/base/file_limit.h"
#include "server/base/json.h"
#include "server/base/status.h"
#include "server/batching/scheduler.h"
#include "server/host/host.h"
#include "server/http/http_server.h"
#include "server/plan/model_loader.h"
#include "server/registry/registry.h"
#include "server/registry/store_scanner.h"
#include "server/registry/store_watch.h"
#include "server/rpc/rpc_server.h"
#include "server/serving/device_monitor.h"
#include "server/tensor/batch_sizes.h"
#include "server/torch/load/loader.h"

namespace torchferry::app {
namespace {

constexpr int kDeviceLossExitCode = 3;

// For what ends at once, when the drain has taken all of its time.
constexpr base::Duration kGrace = std::chrono::seconds(1);
// For the last answers on their way, after that time.
constexpr base::Duration kCallsGrace = std::chrono::seconds(3);

base::Duration Seconds(double seconds) {
  return std::chrono::duration_cast<base::Duration>(std::chrono::duration<double>(seconds));
}

batching::BatchOptions BatchingOf(const config::ModelConfig& config, const std::optional<model::TuningInfo>& tuning,
                                  const ServerFlags& flags) {
  batching::BatchOptions options;
  options.max_queue_size = flags.max_queue_size;
  options.threads = tuning.has_value() ? tuning->intra_op_threads : flags.intra_op_threads;
  if (!config.dynamic_batching.has_value()) return options;
  options.max_rows = tuning.has_value() ? tuning->batch_rows : config.max_batch_size;
  options.row_counts = tensor::BatchSizes(options.max_rows);
  options.max_queue_delay = config.dynamic_batching->max_queue_delay;
  options.preferred_rows = config.dynamic_batching->preferred_batch_sizes;
  if (config.dynamic_batching->max_queue_size > 0) {
    options.max_queue_size = std::min(flags.max_queue_size, config.dynamic_batching->max_queue_size);
  }
  return options;
}

std::string HostOf(const std::string& address) { return address.substr(0, address.rfind(':')); }

// What LibTorch's and the C library's allocators have kept of a version that has ended.
void ReturnMemory(const std::string& device) {
  const auto parsed = tensor::ParseDeviceId(device);
  if (parsed.ok() && !parsed->IsCpu()) libtorch::TorchRuntime::ReleaseCachedMemory(*parsed);
  malloc_trim(0);
}

// By rename, so that a reader never sees half of it.
absl::Status WritePortFile(const std::string& path, const std::string& grpc_address, const std::string& metrics_address,
                           const std::string& admin_address) {
  const std::string partial = path + ".partial";
  std::ofstream out(partial);
  out << fmt::format("{{\"grpc_address\":{},\"metrics_address\":{}", base::JsonQuote(grpc_address),
                     base::JsonQuote(metrics_address));
  if (!admin_address.empty()) out << fmt::format(",\"admin_address\":{}", base::JsonQuote(admin_address));
  out << "}\n";
  out.close();
  if (!out || std::rename(partial.c_str(), path.c_str()) != 0) {
    return base::MakeStatus(absl::StatusCode::kUnavailable, "cannot write --port-file {}", path);
  }
  return absl::OkStatus();
}

// Quick batches run on the thread that carries their calls.
class CallerWork final : public rpc::WorkBetweenCalls {
 public:
  explicit CallerWork(batching::Scheduler& scheduler) : scheduler_(scheduler) {}
  void Join() override { scheduler_.JoinAsCaller(); }
  bool HasWork() override { return scheduler_.HasCallerWork(); }
  void Work() override { scheduler_.RunAsCaller(); }
  bool IsAlone() override { return scheduler_.IsIdle(); }
  void HandOver() override { scheduler_.HandOverToWorkers(); }

 private:
  batching::Scheduler& scheduler_;
};

class ServerAppImpl final : public ServerApp {
 public:
  explicit ServerAppImpl(const ServerFlags& flags)
      : flags_(flags),
        host_(host::ProbeHost()),
        host_metrics_(host_, clock_),
        registry_([this](const std::string& model, int64_t version,
                         const config::ModelConfig& config) { return Load(model, version, config); },
                  metrics_, clock_, {flags.model_store, [](const std::string& device) { ReturnMemory(device); }}) {}

  ~ServerAppImpl() override { Stop(); }

  absl::Status Start(std::vector<std::unique_ptr<libtorch::DeviceProvider>> providers) {
    FERRY_ASSIGN_OR_RETURN(const std::vector<registry::ModelFolder> models, registry::ScanStore(flags_.model_store));
    registry_.SetListener([this] { NotifyHealth(); });
    registry_.Add(models);
    FERRY_RETURN_IF_ERROR(Listen());
    // Only now, as opening a GPU takes its time; before any other LibTorch call, the workers' included.
    runtime_ = libtorch::TorchRuntime::Start(std::move(providers));
    torch_loader_ = MakeTorchLoader();
    StartWorkers();
    ReportDevices();
    monitor_ = std::make_unique<serving::DeviceMonitor>(
        health_, [this](const tensor::DeviceId& device) { return gpu_metrics_.Probe(device); },
        Seconds(flags_.device_probe_interval_seconds));
    registry_.StartLoading();
    if (flags_.watch)
      watch_ = std::make_unique<registry::StoreWatch>(registry_, Seconds(flags_.watch_interval_seconds));
    return absl::OkStatus();
  }

  bool Stop() override {
    if (rpc_ == nullptr) return true;
    is_stopping_ = true;
    rpc_->AnnounceDrain();
    if (flags_.shutdown_delay_seconds > 0) std::this_thread::sleep_for(Seconds(flags_.shutdown_delay_seconds));
    const base::TimePoint deadline = clock_.Now() + Seconds(flags_.drain_timeout_seconds);
    const auto is_drained = std::make_shared<std::atomic<bool>>(false);
    const bool have_ended =
        EndsBy(deadline + kCallsGrace, [this, deadline, is_drained] { *is_drained = rpc_->DrainAndStop(deadline); });
    const bool all_answered = *is_drained;
    if (!all_answered) base::LogWarning("requests cut off", {{"drain_timeout_seconds", flags_.drain_timeout_seconds}});
    if (!have_ended) {
      base::LogWarning("forward passes cut off", {{"drain_timeout_seconds", flags_.drain_timeout_seconds}});
      is_cut_off_ = true;
      return false;
    }
    if (!EndsBy(std::max(deadline, clock_.Now() + kGrace), [this] { registry_.Stop(); })) {
      base::LogWarning("loading cut off", {{"drain_timeout_seconds", flags_.drain_timeout_seconds}});
      is_cut_off_ = true;
      return all_answered;
    }
    EndParts();
    return all_answered;
  }

  bool MustLeaveByExit() const override { return is_cut_off_ || HasLostDevice(); }

  bool HasLostDevice() const override {
    return std::ranges::any_of(health_->List(), [](const serving::DeviceReport& report) {
      return report.state == serving::DeviceState::kLost;
    });
  }

 private:
  // False when `deadline` passed, and `stop` goes on: neither loading nor a forward pass can be interrupted, and a lost
  // device may hold what ends.
  static bool EndsBy(base::TimePoint deadline, std::function<void()> stop) {
    const auto stopped = std::make_shared<std::promise<void>>();
    std::thread stopper([stop = std::move(stop), stopped] {
      stop();
      stopped->set_value();
    });
    const bool is_in_time = stopped->get_future().wait_until(deadline) == std::future_status::ready;
    is_in_time ? stopper.join() : stopper.detach();
    return is_in_time;
  }

  // Who calls ends before what it calls. `rpc_` is last: HTTP's threads ask it whether the server is ready, and devices
  // and versions that change are announced there, on the thread that found it out.
  void EndParts() {
    watch_.reset();  // after the scan that it waits for was dropped
    monitor_.reset();
    http_.reset();  // it answers on open connections for up to a second more
    scheduler_.reset();
    rpc_.reset();
  }

  void NotifyHealth() {
    if (rpc_ != nullptr) rpc_->NotifyHealth();  // null before Listen
  }

  absl::Status Listen() {
    rpc::RpcServer::Options rpc;
    rpc.address = flags_.grpc_address;
    rpc.max_message_bytes = flags_.max_message_mib << 20;
    rpc.reflection = flags_.reflection;
    rpc.server_version = kVersion;
    rpc.admin = flags_.enable_admin;
    rpc.admin_address = flags_.admin_address;
    rpc.readiness = flags_.readiness;
    rpc.threads = flags_.grpc_threads > 0 ? flags_.grpc_threads : std::max(1, static_cast<int>(host_.cpu_quota) / 4);
    if (host_.cpu_quota >= 2) rpc.busy_poll = std::chrono::microseconds(flags_.busy_poll_microseconds);
    FERRY_ASSIGN_OR_RETURN(rpc_, rpc::RpcServer::Start(rpc, registry_, metrics_, clock_));
    http::HttpServer::Callbacks callbacks;
    callbacks.metrics = [this] { return metrics_.Serialize(); };
    callbacks.not_ready_reason = [this] { return rpc_->NotReadyReason(); };
    callbacks.degraded = [this] { return DegradedDevices(); };
    FERRY_ASSIGN_OR_RETURN(http_, http::HttpServer::Start(flags_.metrics_address, callbacks));
    const std::string grpc_address = fmt::format("{}:{}", HostOf(flags_.grpc_address), rpc_->port());
    const std::string metrics_address = fmt::format("{}:{}", HostOf(flags_.metrics_address), http_->port());
    std::string admin_address = flags_.enable_admin ? grpc_address : "";
    if (rpc_->admin_port() != 0) admin_address = fmt::format("{}:{}", HostOf(flags_.admin_address), rpc_->admin_port());
    base::LogInfo(
        "listening",
        {{"grpc", grpc_address}, {"metrics", metrics_address}, {"admin", admin_address}, {"version", kVersion}});
    if (!flags_.port_file.empty()) return WritePortFile(flags_.port_file, grpc_address, metrics_address, admin_address);
    return absl::OkStatus();
  }

  void StartWorkers() {
    batching::Scheduler::Options options;
    options.workers = Workers();
    options.threads = Workers() * flags_.intra_op_threads;
    options.set_threads = &libtorch::TorchRuntime::SetIntraOpThreads;
    if (flags_.deterministic) libtorch::TorchRuntime::UseDeterministicAlgorithms();
    scheduler_ = std::make_unique<batching::Scheduler>(options, clock_);
    caller_work_ = std::make_unique<CallerWork>(*scheduler_);
    rpc_->SetWork(*caller_work_);
    base::LogInfo("workers", {{"workers", options.workers},
                              {"intra_op_threads", flags_.intra_op_threads},
                              {"processors", host_.cpu_quota},
                              {"libtorch", libtorch::TorchRuntime::LibTorchVersion()}});
  }

  // A line for each device that is not up.
  std::string DegradedDevices() const {
    std::string lines;
    for (const serving::DeviceReport& report : health_->List()) {
      if (report.state == serving::DeviceState::kUp) continue;
      lines += fmt::format("degraded: {} is {}: {}\n", tensor::ToString(report.device),
                           report.state == serving::DeviceState::kLost ? "lost" : "on probation",
                           report.why.substr(0, report.why.find('\n')));
    }
    return lines;
  }

  void ReportDevices() {
    std::string devices;
    for (const tensor::DeviceId& device : runtime_->devices()) {
      health_->Add(device);
      devices += (devices.empty() ? "" : ",") + tensor::ToString(device);
    }
    base::LogInfo("devices", {{"devices", devices}});
    gpu_metrics_.Start(*health_);
    metrics_.SetBuildInfo({{"version", kVersion}, {"libtorch", libtorch::TorchRuntime::LibTorchVersion()}});
    metrics_.AddCollector([this](metrics::Metrics& metrics) {
      host_metrics_.Collect(metrics);
      gpu_metrics_.Collect(*health_, metrics);
    });
    health_->Subscribe([this](const serving::DeviceReport&) { NotifyHealth(); });
    if (flags_.exit_on_device_loss) {
      health_->Subscribe([is_first = std::make_shared<std::atomic<bool>>(true)](const serving::DeviceReport& report) {
        // Main drains.
        if (report.state == serving::DeviceState::kLost && is_first->exchange(false)) kill(getpid(), kDeviceLossSignal);
      });
    }
  }

  plan::RuledOut LostDevices() const {
    plan::RuledOut lost;
    for (const serving::DeviceReport& report : health_->List()) {
      if (report.state == serving::DeviceState::kLost) lost[tensor::ToString(report.device)] = "device_lost";
    }
    return lost;
  }

  int Processors() const { return std::max(1, static_cast<int>(std::floor(host_.cpu_quota))); }
  int Workers() const {
    return flags_.workers > 0 ? flags_.workers : std::max(1, Processors() / flags_.intra_op_threads);
  }

  libtorch::TuningOptions Tuning() const {
    return {.is_on = flags_.optimize,
            .is_deterministic = flags_.deterministic,
            .budget_seconds = flags_.optimize_budget_seconds,
            .processors = Workers() * flags_.intra_op_threads,
            .tunes_threads = flags_.intra_op_threads == 1 && flags_.workers == 0,
            .processor = host_.processor,
            .memory_bytes = host_.memory_limit_bytes,
            .is_stopping = [this] { return is_stopping_.load(); }};
  }

  std::unique_ptr<plan::ModelLoader> MakeTorchLoader() const {
    return libtorch::MakeTorchLoader(
        {.intra_op_threads = flags_.intra_op_threads,
         .tuning = Tuning(),
         .on_device_fault = [health = health_](const tensor::DeviceId& device, const absl::Status& status) {
           health->Report(device, model::DeviceFaultOf(status), base::MessageOf(status));
         }});
  }

  absl::StatusOr<std::unique_ptr<serving::Servable>> Load(const std::string& model, int64_t version,
                                                          const config::ModelConfig& config) {
    const plan::LoadRequest request{.store = flags_.model_store,
                                    .model = model,
                                    .version = version,
                                    .config = config,
                                    .host = {.devices = runtime_->devices(),
                                             .ruled_out = LostDevices(),
                                             .device_types = runtime_->device_types(),
                                             .default_device = flags_.device,
                                             .has_native_bf16 = host_.HasNativeBf16(),
                                             .free_bytes = &libtorch::TorchRuntime::FreeBytes,
                                             .trust_model_code = flags_.trust_model_code}};
    const plan::ModelLoader* const loaders[] = {torch_loader_.get()};
    FERRY_ASSIGN_OR_RETURN(model::LoadedModel loaded, plan::LoadVersion(request, loaders));
    serving::Servable::Options options;
    options.name = model;
    options.version = version;
    options.batching = BatchingOf(config, loaded.info.tuning, flags_);
    options.instances = config::InstancesOnAccelerator(config, loaded.model->is_stateful());
    options.max_sessions = flags_.max_stateful_streams;
    if (config.dynamic_batching.has_value()) options.queue_timeout = config.dynamic_batching->default_queue_timeout;
    return std::make_unique<serving::Servable>(options, std::move(loaded), *scheduler_,
                                               metrics_.ForModel(model, version), clock_, health_);
  }

  // Constant after construction.
  const ServerFlags flags_;
  const host::HostInfo host_;
  const base::Clock& clock_ = base::Clock::Real();

  metrics::Metrics metrics_;
  HostMetrics host_metrics_;
  GpuMetrics gpu_metrics_;
  const std::shared_ptr<serving::DeviceHealth> health_ = std::make_shared<serving::DeviceHealth>(metrics_, clock_);
  // Made in Start and ended in Stop. What a thread uses is made before the thread.
  std::unique_ptr<libtorch::TorchRuntime> runtime_;
  std::unique_ptr<plan::ModelLoader> torch_loader_;
  std::unique_ptr<batching::Scheduler> scheduler_;
  std::unique_ptr<CallerWork> caller_work_;
  registry::Registry registry_;
  std::unique_ptr<rpc::RpcServer> rpc_;
  std::unique_ptr<http::HttpServer> http_;
  std::atomic<bool> is_stopping_{false};
  bool is_cut_off_ = false;
  std::unique_ptr<registry::StoreWatch> watch_;
  std::unique_ptr<serving::DeviceMonitor> monitor_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ServerApp>> ServerApp::Start(
    const ServerFlags& flags, std::vector<std::unique_ptr<libtorch::DeviceProvider>> providers) {
  auto app = std::make_unique<ServerAppImpl>(flags);
  FERRY_RETURN_IF_ERROR(app->Start(std::move(providers)));
  return app;
}

int RunServer(int argc, char** argv, std::vector<std::unique_ptr<libtorch::DeviceProvider>> providers) {
  std::vector<std::string> device_types = {"cpu"};
  for (const auto& provider : providers) device_types.emplace_back(provider->type());
  const auto parsed = ParseFlags(argc, argv, device_types);
  if (const int* exit_code = std::get_if<int>(&parsed)) return *exit_code;
  const auto& flags = std::get<ServerFlags>(parsed);
  base::InitLogging(flags.log_format, flags.log_level);
  // Debian builds Abseil with its search for lock cycles on, for which each of gRPC's locks pays.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  base::RaiseFileLimit();  // a connection is one
  std::signal(SIGPIPE, SIG_IGN);
  auto app = ServerApp::Start(flags, std::move(providers));
  if (!app.ok()) {
    base::LogError("cannot start", {{"reason", base::MessageOf(app.status())}});
    return 1;
  }
  const int signal = WaitForStopSignal();
  const bool is_loss = signal == kDeviceLossSignal;
  const char* why = is_loss ? "device loss" : signal == SIGTERM ? "SIGTERM" : "SIGINT";
  base::LogInfo("draining", {{"signal", why}, {"drain_timeout_seconds", flags.drain_timeout_seconds}});
  // The orchestrator's signal that follows a loss is no second one, and neither is a loss.
  if (!is_loss) LetStopSignalsEndTheProcess();
  const bool all_answered = (*app)->Stop();
  base::LogInfo("stopped", {{"all_answered", all_answered}});
  const bool has_lost_device = (*app)->HasLostDevice();
  const int code = has_lost_device && flags.exit_on_device_loss ? kDeviceLossExitCode : all_answered ? 0 : 1;
  if ((*app)->MustLeaveByExit()) _exit(code);
  return code;
}

}  // namespace torchferry::app
