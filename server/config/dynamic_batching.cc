// dynamic_batching: how batches are formed and how long requests wait.
#include <algorithm>

#include "server/config/sections.h"

namespace torchferry::config {
namespace {

// One day. Longer waits are a slip of the pen, and far longer ones overflow the clock.
constexpr uint64_t kMaxWaitMicroseconds = 86'400'000'000;

std::chrono::microseconds ReadWait(uint64_t microseconds, std::string_view field, TextPosition at, Findings& findings) {
  if (microseconds > kMaxWaitMicroseconds) {
    findings.Error(at, "{} is {}; expected at most {} (a day)", field, microseconds, kMaxWaitMicroseconds);
    return {};
  }
  return std::chrono::microseconds(microseconds);
}

// Each costs nothing, but nobody needs more.
constexpr uint64_t kMaxPriorityLevels = 1000;

// What is right is read by load_config.cc.
void CheckPriorities(const ConfigSource& source) {
  const inference::ModelDynamicBatching& message = source.message.dynamic_batching();
  const TextPositions& positions = source.positions.In("dynamic_batching");
  const uint64_t levels = message.priority_levels();
  const uint64_t by_default = message.default_priority_level();
  if (levels > kMaxPriorityLevels) {
    source.findings.Error(positions.Of("priority_levels"),
                          "dynamic_batching.priority_levels is {}; expected at most {}", levels, kMaxPriorityLevels);
    return;
  }
  if (levels > 1 && by_default == 0) {
    source.findings.Error(positions.Of("priority_levels"),
                          "dynamic_batching.priority_levels is {} and default_priority_level is not given; write the "
                          "level of requests that name none: 1, the highest, to {}",
                          levels, levels);
    return;
  }
  if (by_default > levels) {
    source.findings.Error(positions.Of("default_priority_level"),
                          "dynamic_batching.default_priority_level is {}; expected 1 to {} (priority_levels)",
                          by_default, levels);
  }
}

std::vector<int64_t> ReadPreferredSizes(const ConfigSource& source) {
  const auto& sizes = source.message.dynamic_batching().preferred_batch_size();
  for (int i = 0; i < sizes.size(); ++i) {
    if (sizes[i] >= 1 && sizes[i] <= source.message.max_batch_size()) continue;
    source.findings.Error(source.positions.In("dynamic_batching").Of("preferred_batch_size", i),
                          "dynamic_batching.preferred_batch_size has {}; expected 1 to {} "
                          "(max_batch_size)",
                          sizes[i], source.message.max_batch_size());
  }
  std::vector<int64_t> sorted(sizes.begin(), sizes.end());
  std::sort(sorted.begin(), sorted.end());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  return sorted;
}

}  // namespace

void ReadDynamicBatching(const ConfigSource& source, ModelConfig& config) {
  if (!source.message.has_dynamic_batching()) return;
  const inference::ModelDynamicBatching& message = source.message.dynamic_batching();
  const TextPositions& positions = source.positions.In("dynamic_batching");
  if (source.message.max_batch_size() == 0) {
    source.findings.Error(
        positions.at(),
        "dynamic_batching is given and max_batch_size is 0; expected both or neither. Write max_batch_size: 8 (the max "
        "rows of a batch) if dimension 0 of every tensor is the batch, else remove dynamic_batching");
    return;
  }
  DynamicBatching& batching = config.dynamic_batching.emplace();
  batching.preferred_batch_sizes = ReadPreferredSizes(source);
  batching.max_queue_delay =
      ReadWait(message.max_queue_delay_microseconds(), "dynamic_batching.max_queue_delay_microseconds",
               positions.Of("max_queue_delay_microseconds"), source.findings);
  CheckPriorities(source);
  const inference::ModelQueuePolicy& policy = message.default_queue_policy();
  batching.max_queue_size = policy.max_queue_size();
  batching.default_queue_timeout = ReadWait(
      policy.default_timeout_microseconds(), "dynamic_batching.default_queue_policy.default_timeout_microseconds",
      positions.In("default_queue_policy").Of("default_timeout_microseconds"), source.findings);
}

}  // namespace torchferry::config
