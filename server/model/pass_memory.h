// The memory that forward passes take beside the weights.
#pragma once

#include <atomic>
#include <cstdint>

namespace torchferry::model {

// The measured pass that took the most memory. Thread-safe.
struct PassMemory {
  std::atomic<int64_t> bytes{0};  // at the same time; 0: no pass was measured
  std::atomic<int64_t> rows{0};
};

}  // namespace torchferry::model
