#include "server/torch/sample_rows.h"

#include <algorithm>
#include <utility>

#include "server/base/status.h"
#include "server/torch/trial_run.h"
#include "server/torch/warm_up.h"

namespace torchferry {
namespace {

constexpr uint64_t kSeed = 8000;

// Why no row of the real sizes can be made up; empty: it can.
std::string WhyNotMadeUp(const Signature& signature) {
  for (const TensorSpec& spec : signature.inputs) {
    if (spec.is_optional) continue;
    if (spec.dtype == DType::kInvalid || !spec.shape.has_value())
      return fmt::format("input \"{}\" is not declared", spec.name);
    const auto first = spec.shape->begin() + (signature.HasBatchDimension() && !spec.shape->empty() ? 1 : 0);
    if (std::find(first, spec.shape->end(), kAnyDim) != spec.shape->end())
      return fmt::format("input \"{}\" has a free size", spec.name);
  }
  return "";
}

}  // namespace

absl::StatusOr<std::vector<BoundInputs>> SampleRows(const Signature& signature, const ModelConfig& config,
                                                    const std::string& folder, int count) {
  std::vector<BoundInputs> rows;
  if (!config.warm_ups.empty()) {
    TF_ASSIGN_OR_RETURN(rows.emplace_back(), WarmUpRequest(config.warm_ups[0], 1, signature, config, folder));
    return rows;
  }
  const std::string why_not = WhyNotMadeUp(signature);
  if (!why_not.empty()) return absl::FailedPreconditionError(why_not + "; model_warmup can give a request");
  for (int i = 0; i < count; ++i) {
    std::optional<BoundInputs> row = MadeUpInputs(signature, kSeed + static_cast<uint64_t>(i));
    if (!row.has_value())
      return absl::FailedPreconditionError(
          "an input is a number, whose values are not known; model_warmup can give a request");
    rows.push_back(*std::move(row));
  }
  return rows;
}

}  // namespace torchferry
