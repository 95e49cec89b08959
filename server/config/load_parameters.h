// The parameters of a configuration that are numbers of LoadConfig, for parameters.cc and load_config.cc.
#pragma once

#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>

#include "server/config/load_config.h"

namespace torchferry::config {

struct CountParameter {
  std::string_view key;
  std::optional<int64_t> LoadConfig::*field;
};

inline constexpr auto kCountParameters = std::to_array<CountParameter>({
    {"max_queue_rows", &LoadConfig::max_queue_rows},
    {"max_queue_mib", &LoadConfig::max_queue_mib},
    {"max_requests_in_flight", &LoadConfig::max_requests_in_flight},
    {"max_mib_in_flight", &LoadConfig::max_mib_in_flight},
    {"max_streams", &LoadConfig::max_streams},
});

inline constexpr int64_t kMaxLoadCount = int64_t{1} << 32;

// Reads a number from 0 to kMaxLoadCount. Nothing for any other text.
std::optional<int64_t> AsCount(std::string_view value);

}  // namespace torchferry::config
