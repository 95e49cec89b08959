#include "server/rpc/predict/stream_window.h"

#include <algorithm>

#include "server/tensor/request_limits.h"

namespace torchferry::rpc {

int64_t StreamWindow::MaxBytes(const MemoryBudget::Limits& limits, int64_t used) {
  // With most of the budget in use several requests stay within a small share, which is never refused for a connection.
  if (used > limits.bytes / 2) return MemoryBudget::kSmallBytes / 2;
  return std::min(limits::kMaxStreamBytes, limits.connection_bytes / 8);
}

bool StreamWindow::Admits(size_t in_flight, int64_t bytes, int64_t max_bytes) const {
  if (in_flight == 0) return true;
  if (in_flight >= limits::kMaxStreamRequests) return false;
  return static_cast<int64_t>(in_flight + 1) * std::max(largest_, bytes) <= max_bytes;
}

void StreamWindow::Saw(int64_t bytes) { largest_ = std::max(bytes, largest_ - largest_ / 8); }

}  // namespace torchferry::rpc
