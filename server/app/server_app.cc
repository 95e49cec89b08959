#include "server/app/server_app.h"

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <functional>
#include <future>
#include <thread>
#include <utility>

#include "server/app/admin_reach.h"
#include "server/app/caller_work.h"
#include "server/app/connection_flags.h"
#include "server/app/connection_plan.h"
#include "server/app/device_reports.h"
#include "server/app/gpu_metrics.h"
#include "server/app/host_metrics.h"
#include "server/app/idle_work.h"
#include "server/app/load_flags.h"
#include "server/app/plan_context.h"
#include "server/app/port_file.h"
#include "server/app/return_memory.h"
#include "server/app/servable_factory.h"
#include "server/app/stop_signals.h"
#include "server/app/store_models.h"
#include "server/app/stuck_report.h"
#include "server/app/thread_plan.h"
#include "server/app/tls_setup.h"
#include "server/app/torch_options.h"
#include "server/app/version.h"
#include "server/base/file_limit.h"
#include "server/base/library_log.h"
#include "server/base/log_output.h"
#include "server/base/processor_time.h"
#include "server/base/status.h"
#include "server/base/stuck_watch.h"
#include "server/base/thread_name.h"
#include "server/batching/scheduler.h"
#include "server/host/host.h"
#include "server/http/http_server.h"
#include "server/identity/identities.h"
#include "server/plan/model_loader.h"
#include "server/registry/load_marks.h"
#include "server/registry/registry.h"
#include "server/registry/store_scanner.h"
#include "server/registry/store_watch.h"
#include "server/rpc/rpc_server.h"
#include "server/serving/device_monitor.h"
#include "server/torch/load/loader.h"

namespace torchferry::app {
namespace {

// For what ends at once, when the drain has taken all of its time.
constexpr base::Duration kGrace = std::chrono::seconds(1);
// For the last answers on their way, after that time.
constexpr base::Duration kCallsGrace = std::chrono::seconds(3);

// How often the file of identities is looked at. A change is in force after two looks.
constexpr base::Duration kIdentitiesLook = std::chrono::milliseconds(500);

base::Duration Seconds(double seconds) {
  return std::chrono::duration_cast<base::Duration>(std::chrono::duration<double>(seconds));
}

// Null, and a line says so, where --state-dir is not given or cannot be used.
std::shared_ptr<registry::LoadMarks> OpenMarks(const ServerFlags& flags) {
  if (flags.state_dir.empty()) {
    base::LogInfo("without --state-dir: should loading a version end the server, the next start tries it again");
    return nullptr;
  }
  auto marks = registry::LoadMarks::Open(flags.state_dir, flags.model_store);
  if (marks.ok()) return *std::move(marks);
  base::LogWarning("not remembered what is loading", {{"reason", base::MessageOf(marks.status())}});
  return nullptr;
}

void ReturnMemoryOf(const std::string& device) {
  const auto parsed = tensor::ParseDeviceId(device);
  ReturnMemory(parsed.ok() ? *parsed : tensor::DeviceId::Cpu());
}

class ServerAppImpl final : public ServerApp {
 public:
  explicit ServerAppImpl(const ServerFlags& flags)
      : flags_(flags),
        host_(host::ProbeHost()),
        threads_(PlanThreads(flags, host_.cpu_quota)),
        host_metrics_(host_, clock_),
        marks_(OpenMarks(flags)),
        registry_([this](const std::string& model, int64_t version,
                         const config::ModelConfig& config) { return servables_->Make(model, version, config); },
                  metrics_, clock_,
                  {.store = StoreOf(flags),
                   .on_unloaded = [](const std::string& device) { ReturnMemoryOf(device); },
                   .marks = marks_,
                   .loading = {.threads = flags.load_threads,
                               .max_stuck = flags.max_stuck_threads,
                               .watch = &stuck_watch_,
                               .on_idle = [] { malloc_trim(0); }},
                   .load_limit = [this](const config::ModelConfig& config) { return LoadLimitOf(config, flags_); }}) {}

  ~ServerAppImpl() override { Stop(); }

  absl::Status Start(std::vector<std::unique_ptr<libtorch::DeviceProvider>> providers) {
    FERRY_ASSIGN_OR_RETURN(std::vector<registry::ModelFolder> models, ScanModels(flags_));
    FERRY_ASSIGN_OR_RETURN(const auto trusted, TrustedDigestsOf(flags_));  // a list that is none is seen at once
    if (trusted != nullptr) {
      base::LogInfo("only trusted files are loaded", {{"list", trusted->name()}, {"digests", trusted->size()}});
    }
    const auto is_loaded = [this](const registry::ModelFolder& folder) { return LoadsAtStart(flags_, folder.name); };
    const auto unloaded = std::stable_partition(models.begin(), models.end(), is_loaded);
    registry_.SetListener([this] { NotifyHealth(); });
    registry_.AddUnloaded({unloaded, models.end()});
    models.erase(unloaded, models.end());
    registry_.Add(models);
    FERRY_RETURN_IF_ERROR(Listen());
    // Only now, as opening a GPU takes its time; before any other LibTorch call, the workers' included.
    runtime_ = libtorch::TorchRuntime::Start(std::move(providers));
    StartWorkers();
    StartWatch();
    StartDevices();
    StartIdleWork();
    MakeFactory();
    registry_.StartLoading();
    if (flags_.watch)
      watch_ = std::make_unique<registry::StoreWatch>(registry_, Seconds(flags_.watch_interval_seconds));
    return absl::OkStatus();
  }

  bool Stop() override {
    if (rpc_ == nullptr) return true;
    is_stopping_ = true;
    EndMarks();
    rpc_->AnnounceDrain();
    if (flags_.shutdown_delay_seconds > 0) std::this_thread::sleep_for(Seconds(flags_.shutdown_delay_seconds));
    const base::TimePoint deadline = clock_.Now() + Seconds(flags_.drain_timeout_seconds);
    const auto is_drained = std::make_shared<std::atomic<bool>>(false);
    const bool have_ended =
        EndsBy(deadline + kCallsGrace, [this, deadline, is_drained] { *is_drained = rpc_->DrainAndStop(deadline); });
    const bool all_answered = *is_drained;
    if (!all_answered) base::LogWarning("requests cut off", {{"drain_timeout_seconds", flags_.drain_timeout_seconds}});
    if (!have_ended || IsStuck()) {  // nobody waits for what does not end
      base::LogWarning(StuckLoads() > 0 ? "loads cut off" : "forward passes cut off",
                       {{"drain_timeout_seconds", flags_.drain_timeout_seconds}});
      is_cut_off_ = true;
      return have_ended && all_answered;
    }
    if (!EndsBy(std::max(deadline, clock_.Now() + kGrace), [this] {
          if (idle_work_ != nullptr) idle_work_->Stop();  // null before it was made
          registry_.Stop();
        })) {
      base::LogWarning("loading cut off", {{"drain_timeout_seconds", flags_.drain_timeout_seconds}});
      is_cut_off_ = true;
      return all_answered;
    }
    // A probe of a dead device may not end.
    if (!EndsBy(std::max(deadline, clock_.Now() + kGrace), [this] { EndParts(); })) {
      base::LogWarning("threads cut off", {{"drain_timeout_seconds", flags_.drain_timeout_seconds}});
      is_cut_off_ = true;
    }
    return all_answered;
  }

  bool MustLeaveByExit() const override { return is_cut_off_ || HasLostDevice(); }

  bool HasBeenStuck() const override { return has_been_stuck_; }

  bool HasLostDevice() const override { return IsAnyLost(health_->List()); }

 private:
  // False when `deadline` passed, and `stop` goes on: neither loading nor a forward pass can be interrupted, and a lost
  // device may hold what ends.
  static bool EndsBy(base::TimePoint deadline, std::function<void()> stop) {
    const auto stopped = std::make_shared<std::promise<void>>();
    std::thread stopper([stop = std::move(stop), stopped] {
      base::NameThisThread("stopper");
      stop();
      stopped->set_value();
    });
    const bool is_in_time = stopped->get_future().wait_until(deadline) == std::future_status::ready;
    is_in_time ? stopper.join() : stopper.detach();
    return is_in_time;
  }

  // What is loading now does not count as having ended the server. Its folder may be on a disk that does not answer.
  void EndMarks() {
    if (marks_ == nullptr) return;
    if (!EndsBy(clock_.Now() + kGrace, [marks = marks_] { marks->EndIntended(); })) {
      base::LogWarning("--state-dir does not answer", {{"folder", flags_.state_dir}});
    }
  }

  // Who calls ends before what it calls. `rpc_` is last: HTTP's threads ask it whether the server is ready, and devices
  // and versions that change are announced there, on the thread that found it out.
  void EndParts() {
    stuck_watch_.Stop();
    watch_.reset();  // after the scan that it waits for was dropped
    monitor_.reset();
    http_.reset();  // it answers on open connections for up to a second more
    workers_ = nullptr;
    scheduler_.reset();
    rpc_.reset();
    tls_.reset();
  }

  void NotifyHealth() {
    if (rpc_ != nullptr) rpc_->NotifyHealth();  // null before Listen
  }

  rpc::RpcServer::Options RpcOptions(const ConnectionPlan& connections) const {
    rpc::RpcServer::Options options;
    options.address = flags_.grpc_address;
    options.unix_mode = flags_.unix_socket_mode;
    options.connections = connections.grpc;
    options.times = ConnectionTimesOf(flags_);
    options.admin_connections = connections.admin;
    options.max_message_bytes = flags_.max_message_mib << 20;
    options.memory = rpc::PlanMemory(flags_.memory_budget_mib << 20, static_cast<int64_t>(host_.memory_limit_bytes),
                                     options.max_message_bytes);
    options.max_streams = flags_.max_streams_per_connection;
    options.send_timeout = Seconds(flags_.send_timeout_seconds);
    options.tls = {.source = tls_.get(), .client_auth = flags_.tls_client_auth};
    options.client_limits = ClientLimitsOf(flags_);
    options.stream_timeout = Seconds(flags_.stateful_stream_timeout_seconds);
    options.reflection = flags_.reflection;
    options.server_version = kVersion;
    options.identities = identities_.get();
    options.probes_are_open = !flags_.closed_health;
    options.admin = flags_.enable_admin;
    options.admin_address = flags_.admin_address;
    options.readiness = flags_.readiness;
    options.threads = threads_.call_loops;
    options.busy_poll = threads_.busy_poll;
    options.not_answering = [this] { return NotAnswering(WorkerReport()); };
    return options;
  }

  absl::Status Listen() {
    FERRY_ASSIGN_OR_RETURN(const ConnectionPlan connections, PlanConnections(flags_, base::FileLimit()));
    FERRY_ASSIGN_OR_RETURN(tls_, OpenTls(flags_, metrics_));
    FERRY_RETURN_IF_ERROR(OpenIdentities());
    const rpc::RpcServer::Options options = RpcOptions(connections);
    FERRY_ASSIGN_OR_RETURN(rpc_, rpc::RpcServer::Start(options, registry_, metrics_, clock_));
    base::LogInfo("memory for requests and answers", {{"budget_mib", options.memory.budget >> 20},
                                                      {"connection_mib", options.memory.connection >> 20},
                                                      {"unparsed_mib", options.memory.unparsed >> 20},
                                                      {"limit_mib", host_.memory_limit_bytes >> 20}});
    http::HttpServer::Callbacks callbacks;
    callbacks.metrics = [this] { return metrics_.Serialize(); };
    callbacks.not_ready_reason = [this] { return rpc_->NotReadyReason(); };
    callbacks.degraded = [this] {
      return DegradedDevices(health_->List()) + DegradedByStuck(WorkerReport(), StuckLoads(), registry_.List());
    };
    http::Limits http_limits;
    http_limits.max_connections = connections.http;
    const http::TlsOptions https = {.source = flags_.metrics_tls.has_value() ? tls_.get() : nullptr,
                                    .client_auth = flags_.metrics_tls.value_or(tls::ClientAuth::kNone)};
    FERRY_ASSIGN_OR_RETURN(http_, http::HttpServer::Start(flags_.metrics_address, callbacks, http_limits, https));
    const BoundAddresses bound = Bound();
    base::LogInfo("listening", {{"grpc", bound.grpc},
                                {"metrics", bound.metrics},
                                {"admin", bound.admin},
                                {"tls", tls_ != nullptr},
                                {"version", kVersion}});
    return flags_.port_file.empty() ? absl::OkStatus() : WritePortFile(flags_.port_file, bound);
  }

  absl::Status OpenIdentities() {
    if (flags_.identities.empty()) return absl::OkStatus();
    FERRY_ASSIGN_OR_RETURN(identities_, identity::Identities::Open(flags_.identities, kIdentitiesLook));
    if (tls_ == nullptr && !IsOfThisHostAlone(flags_.grpc_address)) {
      base::LogWarning("tokens travel to this server unencrypted: --tls-cert and --tls-key mend it",
                       {{"address", flags_.grpc_address}});
    }
    return absl::OkStatus();
  }

  BoundAddresses Bound() const {
    BoundAddresses bound;
    bound.grpc = BoundAddress(flags_.grpc_address, rpc_->port());
    bound.metrics = BoundAddress(flags_.metrics_address, http_->port());
    if (flags_.enable_admin) bound.admin = bound.grpc;
    if (!flags_.admin_address.empty()) bound.admin = BoundAddress(flags_.admin_address, rpc_->admin_port());
    return bound;
  }

  void StartWorkers() {
    batching::Scheduler::Options options;
    options.workers = threads_.workers;
    options.threads = threads_.processors;
    options.set_threads = &libtorch::TorchRuntime::SetIntraOpThreads;
    options.release_threads = &libtorch::TorchRuntime::ReleaseIntraOpThreads;
    options.processor_time = &base::ThreadProcessorTime;
    options.leaves_headroom = true;
    options.has_express = true;
    options.watch = &stuck_watch_;
    options.max_extra_workers = flags_.max_stuck_threads;
    if (flags_.deterministic) libtorch::TorchRuntime::UseDeterministicAlgorithms();
    scheduler_ = std::make_unique<batching::Scheduler>(options, clock_);
    workers_ = scheduler_.get();
    caller_work_ = std::make_unique<CallerWork>(*scheduler_);
    rpc_->SetWork(*caller_work_);
    base::LogInfo("workers", {{"workers", options.workers},
                              {"intra_op_threads", flags_.intra_op_threads},
                              {"processors", host_.cpu_quota},
                              {"libtorch", libtorch::TorchRuntime::LibTorchVersion()}});
  }

  void StartWatch() {
    stuck_watch_.OnLook([this] { AfterLook(); });
    stuck_watch_.Start();
  }

  // On the watch's thread.
  void AfterLook() {
    const std::string not_answering = NotAnswering(WorkerReport());
    if (std::exchange(not_answering_, not_answering).empty() != not_answering.empty()) NotifyHealth();
    if (!IsStuck() || has_been_stuck_.exchange(true)) return;
    if (flags_.exit_on_stuck) kill(getpid(), kStuckSignal);  // main drains
  }

  // Of no workers, before there are any.
  batching::Scheduler::Report WorkerReport() const {
    const batching::Scheduler* const workers = workers_;
    return workers == nullptr ? batching::Scheduler::Report{} : workers->report();
  }

  int StuckLoads() const { return registry_.stuck_loads(); }

  bool IsStuck() const {
    const batching::Scheduler::Report report = WorkerReport();
    return report.workers.stuck + report.stuck_callers + StuckLoads() > 0;
  }

  void CollectStuck(metrics::Metrics& metrics) const {
    const batching::Scheduler::Report report = WorkerReport();
    metrics.SetStuck({.workers = report.workers.stuck + report.stuck_callers,
                      .loads = StuckLoads(),
                      .versions = SuspectVersions(registry_.List()),
                      .last_answer_age_seconds = base::ToSeconds(clock_.Now() - report.last_batch_end)});
  }

  void StartDevices() {
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
      metrics.SetLogLinesDropped("reader", base::DroppedLogLines());
      metrics.SetLogLinesDropped("rate", base::LibraryMessagesLeftOut());
      CollectStuck(metrics);
    });
    health_->Subscribe([this](const serving::DeviceReport&) { NotifyHealth(); });
    if (flags_.exit_on_device_loss) health_->Subscribe(TellMainOfFirstLoss());
    monitor_ = std::make_unique<serving::DeviceMonitor>(
        health_, [this](const tensor::DeviceId& device) { return gpu_metrics_.Probe(device); },
        Seconds(flags_.device_probe_interval_seconds), &stuck_watch_);
  }

  void StartIdleWork() {
    idle_work_ = std::make_unique<IdleWork>(IdleWork::Options{.look = [this] { return Activity(); },
                                                              .piece_limit = Seconds(flags_.load_timeout_seconds),
                                                              .watch = &stuck_watch_,
                                                              .on_all_done = [] { malloc_trim(0); }},
                                            clock_);
  }

  ServerActivity Activity() const {
    return {.is_busy = !scheduler_->IsIdle() || registry_.is_loading(), .batches = scheduler_->activity()};
  }

  void MakeFactory() {
    torch_loader_ = libtorch::MakeTorchLoader(
        TorchLoadOptions(flags_, host_, threads_, health_, metrics_, [this] { return is_stopping_.load(); }));
    servables_ = std::make_unique<ServableFactory>(ServableFactory::Parts{
        .flags = flags_,
        .host = PlanContextOf(flags_, host_, *runtime_, LoadBudgetOf(flags_, [this] { return is_stopping_.load(); })),
        .loaders = {torch_loader_.get()},
        .scheduler = *scheduler_,
        .metrics = metrics_,
        .clock = clock_,
        .health = health_,
        .marks = marks_,
        .watch = &stuck_watch_,
        .idle = idle_work_.get()});
  }

  // Main drains.
  static serving::DeviceHealth::Listener TellMainOfFirstLoss() {
    return [is_first = std::make_shared<std::atomic<bool>>(true)](const serving::DeviceReport& report) {
      if (report.state == serving::DeviceState::kLost && is_first->exchange(false)) kill(getpid(), kDeviceLossSignal);
    };
  }

  // Constant after construction.
  const ServerFlags flags_;
  const host::HostInfo host_;
  const ThreadPlan threads_;
  const base::Clock& clock_ = base::Clock::Real();

  metrics::Metrics metrics_;
  HostMetrics host_metrics_;
  const std::shared_ptr<registry::LoadMarks> marks_;  // null: nothing is remembered
  GpuMetrics gpu_metrics_;
  const std::shared_ptr<serving::DeviceHealth> health_ = std::make_shared<serving::DeviceHealth>(metrics_, clock_);
  base::StuckWatch stuck_watch_{clock_};
  std::string not_answering_;  // at the watch's last look
  std::atomic<bool> has_been_stuck_{false};
  // Made in Start and ended in Stop. The threads that use them start after they are made.
  std::unique_ptr<libtorch::TorchRuntime> runtime_;
  std::unique_ptr<plan::ModelLoader> torch_loader_;
  std::unique_ptr<batching::Scheduler> scheduler_;
  std::atomic<const batching::Scheduler*> workers_{nullptr};  // likewise; for threads that start before it is made
  std::unique_ptr<CallerWork> caller_work_;
  std::unique_ptr<IdleWork> idle_work_;
  std::unique_ptr<ServableFactory> servables_;
  registry::Registry registry_;
  std::unique_ptr<identity::Identities> identities_;  // null: everybody may ask everything
  std::unique_ptr<tls::CredentialsWatch> tls_;        // null: plain text; the listeners ask it
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

}  // namespace torchferry::app
