#include "server/torch/load/sample_rows.h"

#include <algorithm>
#include <utility>

#include "server/base/status.h"
#include "server/torch/load/warm_up.h"
#include "server/torch/run/trial_run.h"

namespace torchferry::libtorch {
namespace {

constexpr uint64_t kSeed = 8000;

// Why no row of the real sizes can be generated; empty: it can.
std::string WhyNotMadeUp(const tensor::Signature& signature) {
  for (const tensor::TensorSpec& spec : signature.inputs) {
    if (spec.is_optional) continue;
    if (spec.dtype == tensor::DType::kInvalid || !spec.shape.has_value())
      return fmt::format("input \"{}\" is not declared", spec.name);
    const auto first = spec.shape->begin() + (signature.HasBatchDimension() && !spec.shape->empty() ? 1 : 0);
    if (std::find(first, spec.shape->end(), tensor::kAnyDim) != spec.shape->end())
      return fmt::format("input \"{}\" has a free size", spec.name);
  }
  return "";
}

}  // namespace

absl::StatusOr<std::vector<tensor::BoundInputs>> SampleRows(const tensor::Signature& signature,
                                                            const config::ModelConfig& config,
                                                            const base::StoreFolder& folder, int count,
                                                            const tensor::BoundInputs* example) {
  std::vector<tensor::BoundInputs> rows;
  if (!config.warm_ups.empty()) {
    FERRY_ASSIGN_OR_RETURN(rows.emplace_back(), WarmUpRequest(config.warm_ups[0], 1, signature, config, folder));
    return rows;
  }
  if (example != nullptr) return std::vector<tensor::BoundInputs>{*example};
  const std::string why_not = WhyNotMadeUp(signature);
  if (!why_not.empty()) return absl::FailedPreconditionError(why_not + "; model_warmup can give a request");
  for (int i = 0; i < count; ++i) {
    std::optional<tensor::BoundInputs> row = MadeUpInputs(signature, kSeed + static_cast<uint64_t>(i));
    if (!row.has_value())
      return absl::FailedPreconditionError(
          "an input is a number or text, whose values are not known, or a row is too large; model_warmup can give a "
          "request");
    rows.push_back(*std::move(row));
    if (static_cast<int64_t>(rows.size()) >= RowsWithinLimit(rows[0])) break;
  }
  return rows;
}

}  // namespace torchferry::libtorch
