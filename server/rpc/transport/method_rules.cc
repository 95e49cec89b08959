#include "server/rpc/transport/method_rules.h"

#include <algorithm>
#include <array>

namespace torchferry::rpc {
namespace {

using identity::Role;
using identity::Roles;

constexpr Roles kRuns = {Role::kPredict};
constexpr Roles kSees = {Role::kRead};
constexpr Roles kAdmin = {Role::kAdmin};
// What a client asks of a model before it runs it.
constexpr Roles kRunsOrSees = {Role::kPredict, Role::kRead};
constexpr Roles kAny = {Role::kPredict, Role::kRead, Role::kAdmin};
constexpr bool kProbe = true;

constexpr auto kRules = std::to_array<MethodRule>({
    {"grpc.health.v1.Health.Check", kAny, kProbe},
    {"grpc.health.v1.Health.Watch", kAny, kProbe},
    {"inference.GRPCInferenceService.ServerLive", kAny, kProbe},
    {"inference.GRPCInferenceService.ServerReady", kAny, kProbe},
    {"inference.GRPCInferenceService.ModelReady", kRunsOrSees},
    {"inference.GRPCInferenceService.ServerMetadata", kAny},
    {"inference.GRPCInferenceService.ModelMetadata", kRunsOrSees},
    {"inference.GRPCInferenceService.ModelInfer", kRuns},
    {"inference.GRPCInferenceService.ModelStreamInfer", kRuns},
    {"inference.GRPCInferenceService.ModelConfig", kRunsOrSees},
    {"inference.GRPCInferenceService.ModelStatistics", kSees},
    {"inference.GRPCInferenceService.RepositoryIndex", kSees},
    {"inference.GRPCInferenceService.RepositoryModelLoad", kAdmin},
    {"inference.GRPCInferenceService.RepositoryModelUnload", kAdmin},
    {"inference.GRPCInferenceService.SystemSharedMemoryStatus", kRunsOrSees},
    {"inference.GRPCInferenceService.SystemSharedMemoryRegister", kRuns},
    {"inference.GRPCInferenceService.SystemSharedMemoryUnregister", kRuns},
    {"inference.GRPCInferenceService.CudaSharedMemoryStatus", kRunsOrSees},
    {"inference.GRPCInferenceService.CudaSharedMemoryRegister", kRuns},
    {"inference.GRPCInferenceService.CudaSharedMemoryUnregister", kRuns},
    {"inference.GRPCInferenceService.TraceSetting", kAdmin},
    {"inference.GRPCInferenceService.LogSettings", kAdmin},
    {"torchferry.v1.InferenceService.Predict", kRuns},
    {"torchferry.v1.InferenceService.PredictStream", kRuns},
    {"torchferry.v1.InferenceService.ListModels", kSees},
    {"torchferry.v1.InferenceService.GetModel", kRunsOrSees},
    {"torchferry.v1.ModelAdminService.LoadModel", kAdmin},
    {"torchferry.v1.ModelAdminService.UnloadModel", kAdmin},
});

constexpr MethodRule kNobody = {"", {}};

}  // namespace

std::span<const MethodRule> MethodRules() { return kRules; }

const MethodRule& RuleOf(std::string_view method) {
  const auto* const found = std::ranges::find(kRules, method, &MethodRule::method);
  return found == kRules.end() ? kNobody : *found;
}

}  // namespace torchferry::rpc
