// Measures the memory that the tensors of a piece of work take at the same time.
#pragma once

#include <c10/util/ThreadLocalDebugInfo.h>

#include <cstdint>
#include <memory>

namespace torchferry::libtorch {

// While it lives, it sees the memory that LibTorch's allocators give to the calling thread, on any device, and take
// back. Memory that libraries allocate themselves is not seen. Each allocation costs a lock, so requests do not use
// this.
class SeenMemory {
 public:
  SeenMemory();
  SeenMemory(const SeenMemory&) = delete;
  SeenMemory& operator=(const SeenMemory&) = delete;

  // Max bytes at the same time until now.
  int64_t max_bytes() const;

 private:
  class Reports;
  const std::shared_ptr<Reports> reports_;
  const c10::DebugInfoGuard guard_;
};

}  // namespace torchferry::libtorch
