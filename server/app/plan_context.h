// What plans are made for: the devices of this host, and what the flags allow.
#pragma once

#include <memory>

#include "server/app/flags.h"
#include "server/host/host.h"
#include "server/plan/load_budget.h"
#include "server/plan/load_plan.h"
#include "server/torch/device/runtime.h"

namespace torchferry::app {

// `budget`: of the memory that loading may take; null: it is not bounded.
plan::PlanContext PlanContextOf(const ServerFlags& flags, const host::HostInfo& host,
                                const libtorch::TorchRuntime& runtime, std::shared_ptr<plan::LoadBudget> budget);

}  // namespace torchferry::app
