// What a configuration says of load: how much of the model may wait and be in flight, and the levels of priority.
#pragma once

#include <cstdint>
#include <optional>

#include "server/config/model_config.h"

namespace torchferry::config {

// Absent: as the server's flags say. 0: any number.
struct LoadConfig {
  // parameters
  std::optional<int64_t> max_queue_rows;
  std::optional<int64_t> max_queue_mib;
  std::optional<int64_t> max_requests_in_flight;
  std::optional<int64_t> max_mib_in_flight;
  std::optional<int64_t> max_streams;
  // dynamic_batching. Of requests, 1 being the highest; 0 and 1 levels: there are none, and what a request says of it
  // has no effect.
  uint32_t priority_levels = 0;
  uint32_t default_priority_level = 0;  // of a request that names none
};

// Of a configuration that has been checked. Pure.
LoadConfig LoadConfigOf(const ModelConfig& config);

}  // namespace torchferry::config
