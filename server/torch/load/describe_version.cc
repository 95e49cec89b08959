#include "server/torch/load/describe_version.h"

#include <fmt/format.h>

#include <vector>

namespace torchferry::libtorch {
namespace {

void DescribeState(const ModuleState& state, const config::ModelConfig& config, std::vector<std::string>& decisions) {
  decisions.push_back(fmt::format("keeps state: {}; each stream has its own copy, not batched", state.reason));
  if (!state.is_certain && config.stateful != true) {
    decisions.push_back(
        "that it keeps state is not certain: if it keeps none, torchferry { stateful: false } in config.pbtxt says so");
  }
  if (config.dynamic_batching.has_value()) {
    decisions.push_back(
        "dynamic_batching is not used: requests of a model that keeps state share no forward "
        "pass");
  }
}

}  // namespace

model::ModelInfo DescribeVersion(const FileFacts& file, const plan::LoadPlan& plan,
                                 const std::optional<ModuleState>& state, const config::ModelConfig& config) {
  model::ModelInfo info;
  info.file_path = file.name;
  info.format = Name(plan.format);
  info.producer = plan.producer;
  info.saved_devices = plan.saved_devices;
  info.saved_dtypes = plan.saved_dtypes;
  info.file_bytes = static_cast<int64_t>(file.bytes);
  info.sha256 = [digest = file.digest] { return digest->Get(); };
  if (plan.uses_architecture) info.architecture = file.architecture;
  info.state_dict_key = plan.state_dict_key;
  info.removed_prefixes = plan.removed_prefixes;
  info.requested_device = plan.placement.requested;
  info.fallback = plan.placement.fallback;
  info.fallback_from = plan.placement.fallback_from;
  info.fallback_reason = plan.placement.fallback_reason;
  info.precision = plan.precision.computes_in;
  info.decisions = plan.decisions;
  if (state.has_value()) DescribeState(*state, config, info.decisions);
  if (config.stateful == false) info.decisions.emplace_back("keeps no state: torchferry.stateful is false");
  return info;
}

}  // namespace torchferry::libtorch
