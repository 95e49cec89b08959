#include "server/rpc/predict/stream_window.h"

#include <algorithm>

#include "server/tensor/request_limits.h"

namespace torchferry::rpc {

int64_t StreamWindow::MostBytes(const MemoryBudget::Limits& limits, int64_t used) {
  // With most of the budget in use several requests stay within a small share, which is never refused for a connection.
  if (used > limits.bytes / 2) return MemoryBudget::kSmallBytes / 2;
  return std::min(limits::kMaxStreamBytes, limits.connection_bytes / 8);
}

bool StreamWindow::Admits(size_t under_way, int64_t bytes, int64_t most_bytes) const {
  if (under_way == 0) return true;
  if (under_way >= limits::kMaxStreamRequests) return false;
  return static_cast<int64_t>(under_way + 1) * std::max(largest_, bytes) <= most_bytes;
}

void StreamWindow::Saw(int64_t bytes) { largest_ = std::max(bytes, largest_ - largest_ / 8); }

}  // namespace torchferry::rpc
