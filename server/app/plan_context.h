// The context of load plans: the devices of this host, and what the flags allow.
#pragma once

#include <absl/status/statusor.h>

#include <functional>
#include <memory>

#include "server/app/flags.h"
#include "server/checkpoint/trusted_digests.h"
#include "server/host/host.h"
#include "server/plan/load_budget.h"
#include "server/plan/load_plan.h"
#include "server/torch/device/runtime.h"

namespace torchferry::app {

// A budget of the memory that this process may still take. Null with --no-check-load-memory. While `is_stopping` gives
// true, no load waits for memory; null: never.
std::shared_ptr<plan::LoadBudget> LoadBudgetOf(const ServerFlags& flags, std::function<bool()> is_stopping);

// The list of --trusted-digests as it is now; null without that flag. The errors are TrustedDigests::Read's, and name
// the flag.
absl::StatusOr<std::shared_ptr<const checkpoint::TrustedDigests>> TrustedDigestsOf(const ServerFlags& flags);

// `budget`: the memory that loading may take; null: no limit.
plan::PlanContext PlanContextOf(const ServerFlags& flags, const host::HostInfo& host,
                                const libtorch::TorchRuntime& runtime, std::shared_ptr<plan::LoadBudget> budget);

}  // namespace torchferry::app
