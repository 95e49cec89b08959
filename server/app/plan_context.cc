#include "server/app/plan_context.h"

#include <utility>

#include "server/base/status.h"
#include "server/host/memory.h"

namespace torchferry::app {

std::shared_ptr<plan::LoadBudget> LoadBudgetOf(const ServerFlags& flags, std::function<bool()> is_stopping) {
  if (!flags.check_load_memory) return nullptr;
  return std::make_shared<plan::LoadBudget>(&host::AvailableMemory, std::move(is_stopping));
}

absl::StatusOr<std::shared_ptr<const checkpoint::TrustedDigests>> TrustedDigestsOf(const ServerFlags& flags) {
  if (flags.trusted_digests.empty()) return nullptr;
  auto list = checkpoint::TrustedDigests::Read(flags.trusted_digests);
  if (!list.ok()) return base::Annotate(list.status(), "--trusted-digests");
  return list;
}

plan::PlanContext PlanContextOf(const ServerFlags& flags, const host::HostInfo& host,
                                const libtorch::TorchRuntime& runtime, std::shared_ptr<plan::LoadBudget> budget) {
  return {.devices = runtime.devices(),
          .ruled_out = {},
          .device_types = runtime.device_types(),
          .default_device = flags.device,
          .has_native_bf16 = host.HasNativeBf16(),
          .free_bytes = &libtorch::TorchRuntime::FreeBytes,
          .trust_model_code = flags.trust_model_code,
          .torchscript = flags.torchscript,
          .budget = std::move(budget)};
}

}  // namespace torchferry::app
