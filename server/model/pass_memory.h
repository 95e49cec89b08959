// What forward passes take in memory beside the weights.
#pragma once

#include <atomic>
#include <cstdint>

namespace torchferry::model {

// Of the passes that were looked at, the one that took most. Thread-safe.
struct PassMemory {
  std::atomic<int64_t> bytes{0};  // at the same time; 0: none was looked at
  std::atomic<int64_t> rows{0};
};

}  // namespace torchferry::model
