#include "server/rpc/rpc_server.h"

#include <dlfcn.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>

#include "server/base/status.h"
#include "server/rpc/admin/admin_service.h"
#include "server/rpc/health/health_service.h"
#include "server/rpc/open_inference/open_inference_service.h"
#include "server/rpc/predict/admission.h"
#include "server/rpc/predict/metrics_observer.h"
#include "server/rpc/predict/predictor.h"
#include "server/rpc/predict/request_log.h"
#include "server/rpc/torchferry_v1/inference_service.h"
#include "server/rpc/transport/connection_metrics.h"
#include "server/rpc/transport/listener.h"
#include "server/rpc/transport/memory_trim.h"

namespace torchferry::rpc {
namespace {

constexpr char kModelPrefix[] = "model/";

constexpr base::Duration kQuiet = std::chrono::milliseconds(50);
constexpr base::Duration kMostQuiet = std::chrono::milliseconds(500);

// gRPC's reflection library adds itself to every builder of the process as soon as it is loaded, so it is opened only
// when it is wanted, and not linked.
absl::Status OpenReflection() {
  if (dlopen(TORCHFERRY_REFLECTION_LIBRARY, RTLD_NOW | RTLD_GLOBAL) != nullptr) return absl::OkStatus();
  return base::MakeStatus(absl::StatusCode::kFailedPrecondition, "--reflection: {}", dlerror());
}

class RpcServerImpl final : public RpcServer {
 public:
  RpcServerImpl(const Options& options, registry::Registry& registry, metrics::Metrics& metrics,
                const base::Clock& clock)
      : options_(options),
        registry_(registry),
        clock_(clock),
        memory_(std::make_shared<CallMemory>(CallMemory::Options{.plan = options.memory,
                                                                 .max_message_bytes = options.max_message_bytes,
                                                                 .max_streams = options.max_streams,
                                                                 .send_timeout = options.send_timeout})),
        metrics_observer_(metrics),
        predictor_(registry, admission_, {&metrics_observer_, &request_log_}, clock,
                   {.answer_bytes = options.max_message_bytes,
                    .client = options.client_limits,
                    .stream_idle = options.stream_timeout}),
        inference_(registry, predictor_, clock),
        open_inference_(OpenInference(IsAdminBeside()), registry, predictor_, clock),
        admin_(registry, admin_calls_, IsAdminBeside()),
        admin_apart_(registry, admin_calls_, true),
        open_admin_(OpenInference(true), registry, predictor_, clock),
        health_([this](const std::string& service) { return IsServing(service); }),
        connections_("grpc", metrics, [this] { health_.Notify(); }),
        admin_connections_("admin", metrics, [] {}) {
    metrics.AddCollector([memory = memory_](metrics::Metrics& to) { Report(memory->budget(), to); });
  }

  ~RpcServerImpl() override {
    if (server_.is_running()) DrainAndStop(clock_.Now());
  }

  absl::Status Listen() {
    if (options_.reflection) FERRY_RETURN_IF_ERROR(OpenReflection());
    FERRY_RETURN_IF_ERROR(server_.Start(options_, {options_.address, "--grpc-address", options_.connections},
                                        options_.threads, {&inference_, &open_inference_, &health_, &admin_},
                                        connections_, *memory_, gate_, clock_));
    if (options_.admin && !IsAdminBeside()) {
      FERRY_RETURN_IF_ERROR(
          admin_server_.Start(options_, {options_.admin_address, "--admin-address", options_.admin_connections}, 1,
                              {&admin_apart_, &open_admin_}, admin_connections_, *memory_, gate_, clock_));
    }
    return absl::OkStatus();
  }

  int port() const override { return server_.port(); }
  int admin_port() const override { return admin_server_.port(); }

  void SetWork(WorkBetweenCalls& work) override { server_.SetWork(work); }

  std::string NotReadyReason() const override {
    if (is_draining_) return "the server is shutting down";
    if (std::string why = server_.WhyNotAccepting(); !why.empty()) return why;
    const std::string reason = torchferry::registry::NotReadyReason(registry_.List(), options_.readiness);
    return reason.empty() && options_.not_answering ? options_.not_answering() : reason;
  }

  void NotifyHealth() override { health_.Notify(); }

  void AnnounceDrain() override {
    is_draining_ = true;
    health_.Notify();
  }

  bool DrainAndStop(base::TimePoint deadline) override {
    AnnounceDrain();
    admin_calls_.EndAll();
    admin_server_.Stop(base::Duration::zero());
    admission_.Close(clock_.Now());
    const bool all_answered = admission_.WaitUntilEmpty(deadline);
    // What gRPC has not been asked to take when it shuts down ends as CANCELLED, as if the caller had given up: who was
    // about to ask is refused first, and hears that another replica should be asked.
    if (all_answered) admission_.WaitUntilQuiet(kQuiet, clock_.Now() + kMostQuiet, clock_);
    health_.EndWatches();
    // What is left are idle streams, answers on their way out and, past the deadline, requests to be cancelled.
    server_.Stop(std::chrono::milliseconds(all_answered ? 500 : 0));
    return all_answered;
  }

 private:
  // Whether loading and unloading is on the address of the rest.
  bool IsAdminBeside() const { return options_.admin && options_.admin_address.empty(); }

  OpenInferenceService::Options OpenInference(bool admin) {
    return {options_.server_version, admin, &admin_calls_, [this] { return NotReadyReason().empty(); }};
  }

  static void Report(const MemoryBudget& budget, metrics::Metrics& to) {
    to.SetRequestMemory("used", static_cast<double>(budget.used()));
    to.SetRequestMemory("limit", static_cast<double>(budget.limits().bytes));
    const MemoryBudget::Refusals refusals = budget.refusals();
    to.SetMemoryRefusals("server", static_cast<double>(refusals.server));
    to.SetMemoryRefusals("connection", static_cast<double>(refusals.connection));
  }

  std::optional<bool> IsServing(const std::string& service) const {
    if (service.empty()) return NotReadyReason().empty();
    if (service == "liveness") return true;
    if (!service.starts_with(kModelPrefix)) return std::nullopt;
    const std::vector<registry::VersionStatus> versions = registry_.List(service.substr(sizeof(kModelPrefix) - 1));
    if (versions.empty() || service.size() == sizeof(kModelPrefix) - 1) return std::nullopt;
    return !is_draining_ && std::any_of(versions.begin(), versions.end(), [](const registry::VersionStatus& v) {
      return torchferry::registry::IsServing(v);
    });
  }

  const Options options_;
  registry::Registry& registry_;
  const base::Clock& clock_;
  const std::shared_ptr<CallMemory> memory_;  // with the metrics, which may ask later
  OpenGate gate_;
  Admission admission_;
  MetricsObserver metrics_observer_;
  RequestLog request_log_;
  Predictor predictor_;
  AdminCalls admin_calls_;
  InferenceServiceImpl inference_;
  OpenInferenceService open_inference_;
  AdminService admin_;
  AdminService admin_apart_;  // these two are of the admin address
  OpenInferenceService open_admin_;
  HealthService health_;
  ConnectionMetrics connections_;
  ConnectionMetrics admin_connections_;
  std::atomic<bool> is_draining_{false};
  Listener server_;
  Listener admin_server_;
  MemoryTrim trim_{memory_->budget()};
};

}  // namespace

absl::StatusOr<std::unique_ptr<RpcServer>> RpcServer::Start(const Options& options, registry::Registry& registry,
                                                            metrics::Metrics& metrics, const base::Clock& clock) {
  auto server = std::make_unique<RpcServerImpl>(options, registry, metrics, clock);
  FERRY_RETURN_IF_ERROR(server->Listen());
  return server;
}

}  // namespace torchferry::rpc
