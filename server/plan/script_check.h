// A TorchScript archive, and whether it may be given to LibTorch.
#pragma once

#include <absl/status/statusor.h>

#include <memory>

#include "server/checkpoint/file.h"
#include "server/checkpoint/torchscript.h"
#include "server/plan/load_plan.h"

namespace torchferry::plan {

// What the archive may do, and whether LibTorch can read it, before LibTorch is asked. FAILED_PRECONDITION: the server
// takes no archives. INVALID_ARGUMENT: a newer format, operators or classes of libraries. Else errors of
// DescribeTorchScript, CheckNesting, CheckClasses and, unless the code is trusted, of ScanSource.
absl::StatusOr<checkpoint::TorchScriptInfo> ReadScript(const std::shared_ptr<const checkpoint::File>& file,
                                                       const PlanContext& context);

}  // namespace torchferry::plan
