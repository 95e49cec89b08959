// Reads a TorchScript archive, and decides whether LibTorch may get it.
#pragma once

#include <absl/status/statusor.h>

#include <memory>

#include "server/checkpoint/file.h"
#include "server/checkpoint/torchscript.h"
#include "server/plan/load_plan.h"

namespace torchferry::plan {

// Checks what the archive's code may do, and whether LibTorch can read the archive, before LibTorch gets it.
// FAILED_PRECONDITION: the server takes no archives. INVALID_ARGUMENT: a newer format, or operators or classes of
// libraries. Else errors of DescribeTorchScript, CheckNesting and CheckClasses, and of ScanSource unless the code is
// trusted.
absl::StatusOr<checkpoint::TorchScriptInfo> ReadScript(const std::shared_ptr<const checkpoint::File>& file,
                                                       const PlanContext& context);

}  // namespace torchferry::plan
