#include "server/app/torch_options.h"

#include <utility>

#include "server/base/status.h"
#include "server/model/device_fault.h"

namespace torchferry::app {

libtorch::TuningOptions TuningOf(const ServerFlags& flags, const host::HostInfo& host, const ThreadPlan& threads,
                                 std::function<bool()> is_stopping) {
  return {.is_on = flags.optimize,
          .is_deterministic = flags.deterministic,
          .budget_seconds = flags.optimize_budget_seconds,
          .processors = threads.processors,
          .tunes_threads = flags.intra_op_threads == 1 && flags.workers == 0,
          .processor = host.processor,
          .memory_bytes = host.memory_limit_bytes,
          .is_stopping = std::move(is_stopping)};
}

libtorch::LoadOptions TorchLoadOptions(const ServerFlags& flags, const host::HostInfo& host, const ThreadPlan& threads,
                                       std::shared_ptr<serving::DeviceHealth> health, metrics::Metrics& metrics,
                                       std::function<bool()> is_stopping) {
  return {.intra_op_threads = flags.intra_op_threads,
          .tuning = TuningOf(flags, host, threads, std::move(is_stopping)),
          .on_device_fault =
              [health = std::move(health)](const tensor::DeviceId& device, const absl::Status& status) {
                health->Report(device, model::DeviceFaultOf(status), base::MessageOf(status));
              },
          .on_parity =
              [&metrics](const std::string& model, const model::ParityInfo& parity) {
                metrics.ParityChecked(model, parity.device, parity.precision, std::string(Name(parity.state)));
              }};
}

}  // namespace torchferry::app
