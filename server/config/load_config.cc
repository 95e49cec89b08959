#include "server/config/load_config.h"

#include "server/config/load_parameters.h"
#include "server/config/sections.h"

namespace torchferry::config {

LoadConfig LoadConfigOf(const ModelConfig& config) {
  LoadConfig load;
  for (const CountParameter& known : kCountParameters) {
    const auto found = config.parameters.find(std::string(known.key));
    if (found != config.parameters.end()) load.*known.field = AsCount(found->second);
  }
  if (config.message == nullptr || !config.dynamic_batching.has_value()) return load;
  const inference::ModelDynamicBatching& batching = config.message->dynamic_batching();
  load.priority_levels = static_cast<uint32_t>(batching.priority_levels());
  load.default_priority_level = static_cast<uint32_t>(batching.default_priority_level());
  return load;
}

std::optional<int64_t> AsCount(std::string_view value) {
  int64_t count = 0;
  const char* end = value.data() + value.size();
  const auto [stop, error] = std::from_chars(value.data(), end, count);
  const bool is_good = error == std::errc() && stop == end && count >= 0 && count <= kMaxLoadCount;
  return is_good ? std::optional(count) : std::nullopt;
}

}  // namespace torchferry::config
