#include "server/app/offline_loads.h"

#include <utility>

#include "server/app/plan_context.h"
#include "server/app/store_models.h"
#include "server/app/thread_plan.h"
#include "server/app/torch_options.h"
#include "server/base/status.h"
#include "server/torch/load/loader.h"

namespace torchferry::app {
namespace {

libtorch::TuningOptions OptionsOf(OfflineLoads::Tuning tuning, const ServerFlags& flags, const host::HostInfo& host) {
  if (tuning == OfflineLoads::Tuning::kOff) return {};
  return TuningOf(flags, host, PlanThreads(flags, host.cpu_quota), /*is_stopping=*/nullptr);
}

}  // namespace

OfflineLoads::OfflineLoads(const ServerFlags& flags, std::vector<std::unique_ptr<libtorch::DeviceProvider>> providers,
                           Tuning tuning)
    : flags_(flags),
      tuning_(tuning),
      host_(host::ProbeHost()),
      runtime_(libtorch::TorchRuntime::Start(std::move(providers))),
      torch_loader_(libtorch::MakeTorchLoader(
          {.intra_op_threads = flags.intra_op_threads, .tuning = OptionsOf(tuning, flags, host_)})),
      loaders_({torch_loader_.get()}) {}

absl::StatusOr<plan::LoadRequest> OfflineLoads::RequestOf(const registry::ModelFolder& folder, int64_t version) const {
  plan::LoadRequest request{
      .store = StoreOf(flags_),
      .model = folder.name,
      .version = version,
      .config = *folder.config,
      .host = PlanContextOf(flags_, host_, *runtime_, LoadBudgetOf(flags_, /*is_stopping=*/nullptr))};
  FERRY_ASSIGN_OR_RETURN(request.trusted, TrustedDigestsOf(flags_));
  if (tuning_ == Tuning::kOff) request.config.optimize.mode = config::OptimizeConfig::Mode::kOff;
  return request;
}

}  // namespace torchferry::app
