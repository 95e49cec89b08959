// A configuration's settings on load: max queue and max requests in flight of the model, and the levels of priority.
#pragma once

#include <cstdint>
#include <optional>

#include "server/config/model_config.h"

namespace torchferry::config {

// Absent: the server's flags decide. 0: no limit.
struct LoadConfig {
  // parameters
  std::optional<int64_t> max_queue_rows;
  std::optional<int64_t> max_queue_mib;
  std::optional<int64_t> max_requests_in_flight;
  std::optional<int64_t> max_mib_in_flight;
  std::optional<int64_t> max_streams;
  // dynamic_batching: the levels of requests; 1 is the highest. 0 or 1: all requests have the same priority, and a
  // request's own level has no effect.
  uint32_t priority_levels = 0;
  uint32_t default_priority_level = 0;  // of a request that names none
};

// `config` has been checked. Pure.
LoadConfig LoadConfigOf(const ModelConfig& config);

}  // namespace torchferry::config
