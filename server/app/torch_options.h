// The options of LibTorch's loader, from the flags and this host.
#pragma once

#include <functional>
#include <memory>

#include "server/app/flags.h"
#include "server/app/thread_plan.h"
#include "server/host/host.h"
#include "server/metrics/metrics.h"
#include "server/serving/device_health.h"
#include "server/torch/load/loader.h"

namespace torchferry::app {

// `is_stopping` is called while a version is tuned, on the tuning threads.
libtorch::TuningOptions TuningOf(const ServerFlags& flags, const host::HostInfo& host, const ThreadPlan& threads,
                                 std::function<bool()> is_stopping);

// Devices that fail while a version loads are reported to `health`. Results of golden rows are counted in `metrics`,
// which outlives the loader.
libtorch::LoadOptions TorchLoadOptions(const ServerFlags& flags, const host::HostInfo& host, const ThreadPlan& threads,
                                       std::shared_ptr<serving::DeviceHealth> health, metrics::Metrics& metrics,
                                       std::function<bool()> is_stopping);

}  // namespace torchferry::app
