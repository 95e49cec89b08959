#include "server/torch/load/seen_memory.h"

#include <c10/core/Allocator.h>

#include <algorithm>

namespace torchferry::libtorch {

class SeenMemory::Reports final : public c10::MemoryReportingInfoBase {
 public:
  void reportMemoryUsage(void*, int64_t bytes, size_t, size_t, c10::Device) override {
    now_ += bytes;
    max_ = std::max(max_, now_);
  }
  bool memoryProfilingEnabled() const override { return true; }

  int64_t most() const { return max_; }

 private:
  int64_t now_ = 0;
  int64_t max_ = 0;
};

SeenMemory::SeenMemory()
    : reports_(std::make_shared<Reports>()), guard_(c10::DebugInfoKind::PROFILER_STATE, reports_) {}

int64_t SeenMemory::max_bytes() const { return reports_->most(); }

}  // namespace torchferry::libtorch
