#include "server/rpc/rpc_server.h"

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
#include "server/rpc/reflection/reflection_service.h"
#include "server/rpc/torchferry_v1/inference_service.h"
#include "server/rpc/transport/connection_metrics.h"
#include "server/rpc/transport/identity_gate.h"
#include "server/rpc/transport/listener.h"
#include "server/rpc/transport/memory_trim.h"

namespace torchferry::rpc {
namespace {

constexpr char kModelPrefix[] = "model/";

constexpr base::Duration kQuiet = std::chrono::milliseconds(50);
constexpr base::Duration kMaxQuiet = std::chrono::milliseconds(500);

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
        gate_(MakeGate(options, metrics, clock)),
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
        health_(
            [this](const identity::Caller& caller, const std::string& service) { return IsServing(caller, service); }),
        connections_("grpc", metrics, [this] { health_.Notify(); }),
        admin_connections_("admin", metrics, [] {}) {
    metrics.AddCollector([memory = memory_](metrics::Metrics& to) { Report(memory->budget(), to); });
  }

  ~RpcServerImpl() override {
    if (server_.is_running()) DrainAndStop(clock_.Now());
  }

  absl::Status Listen() {
    FERRY_RETURN_IF_ERROR(server_.Start(options_, {options_.address, "--grpc-address", options_.connections},
                                        options_.threads, Services(), connections_, *memory_, *gate_, clock_));
    if (options_.admin && !IsAdminBeside()) {
      FERRY_RETURN_IF_ERROR(admin_server_.Start(options_,
                                                {options_.admin_address, "--admin-address", options_.admin_connections},
                                                1, AdminServices(), admin_connections_, *memory_, *gate_, clock_));
    }
    return absl::OkStatus();
  }

  int port() const override { return server_.port(); }
  int admin_port() const override { return admin_server_.port(); }

  void SetWork(InlineWork& work) override { server_.SetWork(work); }

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
    if (all_answered) admission_.WaitUntilQuiet(kQuiet, clock_.Now() + kMaxQuiet, clock_);
    health_.EndWatches();
    // What is left are idle streams, answers on their way out and, past the deadline, requests to be cancelled.
    server_.Stop(std::chrono::milliseconds(all_answered ? 500 : 0));
    return all_answered;
  }

 private:
  // Whether loading and unloading is on the address of the rest.
  bool IsAdminBeside() const { return options_.admin && options_.admin_address.empty(); }

  // Of the address of all. The admin service answers there in each case, and is listed where it is on.
  std::vector<RpcService*> Services() {
    std::vector<std::string> names = {v1::InferenceService::service_full_name(),
                                      inference::GRPCInferenceService::service_full_name(),
                                      grpc::health::v1::Health::service_full_name()};
    if (IsAdminBeside()) names.emplace_back(v1::ModelAdminService::service_full_name());
    return WithReflection({&inference_, &open_inference_, &health_, &admin_}, std::move(names), reflection_);
  }
  std::vector<RpcService*> AdminServices() {
    return WithReflection(
        {&admin_apart_, &open_admin_},
        {v1::ModelAdminService::service_full_name(), inference::GRPCInferenceService::service_full_name()},
        admin_reflection_);
  }
  // `services`, and what says that there are those of these names, which `made` then owns.
  std::vector<RpcService*> WithReflection(std::vector<RpcService*> services, std::vector<std::string> names,
                                          std::vector<std::unique_ptr<RpcService>>& made) const {
    if (options_.reflection) made = MakeReflection(std::move(names));
    for (const auto& each : made) services.push_back(each.get());
    return services;
  }

  static std::unique_ptr<Gate> MakeGate(const Options& options, metrics::Metrics& metrics, const base::Clock& clock) {
    if (options.identities == nullptr) return std::make_unique<OpenGate>();
    return std::make_unique<IdentityGate>(*options.identities, options.probes_are_open, metrics, clock);
  }

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

  std::optional<bool> IsServing(const identity::Caller& caller, const std::string& service) const {
    if (service.empty()) return NotReadyReason().empty();
    if (service == "liveness") return true;
    if (!service.starts_with(kModelPrefix)) return std::nullopt;
    const std::string model = service.substr(sizeof(kModelPrefix) - 1);
    if (!caller.MaySee(model)) return std::nullopt;
    const std::vector<registry::VersionStatus> versions = registry_.List(model);
    if (versions.empty() || model.empty()) return std::nullopt;
    return !is_draining_ && std::any_of(versions.begin(), versions.end(), [](const registry::VersionStatus& v) {
      return torchferry::registry::IsServing(v);
    });
  }

  const Options options_;
  registry::Registry& registry_;
  const base::Clock& clock_;
  const std::shared_ptr<CallMemory> memory_;  // with the metrics, which may ask later
  const std::unique_ptr<Gate> gate_;
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
  std::vector<std::unique_ptr<RpcService>> reflection_;        // none unless it is on
  std::vector<std::unique_ptr<RpcService>> admin_reflection_;  // likewise
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
