#include "server/rpc/transport/memory_budget.h"

#include <algorithm>

#include "server/base/status.h"

namespace torchferry::rpc {

MemoryShare::~MemoryShare() {
  if (budget_ != nullptr) budget_->Shrink(*this, 0);
}

absl::Status MemoryBudget::Resize(MemoryShare& share, int64_t bytes, absl::FunctionRef<std::string()> peer) {
  if (bytes <= share.bytes_) {
    Shrink(share, bytes);
    return absl::OkStatus();
  }
  const bool is_small = bytes <= kSmallBytes;
  const int64_t at_connection = share.at_connection_;
  if (!is_small) FERRY_RETURN_IF_ERROR(ResizeAtConnection(share, bytes, peer));
  const int64_t limit = is_small ? limits_.bytes : limits_.bytes - limits_.bytes / 8;
  const int64_t more = bytes - share.bytes_;
  const int64_t used = used_.fetch_add(more, std::memory_order_relaxed) + more;
  if (used > limit) {
    used_.fetch_sub(more, std::memory_order_relaxed);
    // Back to what it was, which is always given.
    if (!is_small) ResizeAtConnection(share, at_connection, peer).IgnoreError();
    return RefuseForServer(bytes, limit, used - more);
  }
  share.budget_ = this;
  share.bytes_ = bytes;
  if (!is_small) {
    for (int64_t peak = peak_; used > peak && !peak_.compare_exchange_weak(peak, used);) {
    }
  }
  return absl::OkStatus();
}

int64_t MemoryBudget::TakePeak() {
  const int64_t now = used();
  return std::max(peak_.exchange(now), now);
}

absl::Status MemoryBudget::ResizeAtConnection(MemoryShare& share, int64_t bytes,
                                              absl::FunctionRef<std::string()> peer) {
  if (share.peer_.empty()) share.peer_ = peer();
  base::MutexLock lock(mutex_);
  const auto connection = connections_.try_emplace(share.peer_, 0).first;
  const int64_t now = connection->second + bytes - share.at_connection_;
  if (bytes > share.at_connection_ && now > limits_.connection_bytes) {
    const int64_t held = connection->second;
    if (held == 0) connections_.erase(connection);
    if (share.at_connection_ == 0) share.peer_.clear();
    ++refused_by_connection_;
    return base::MakeStatus(
        absl::StatusCode::kResourceExhausted,
        "this takes {} bytes of memory, and the requests and answers of its connection hold {} of {}; {}", bytes, held,
        limits_.connection_bytes,
        bytes > limits_.connection_bytes ? "send a smaller request, or raise the server's --memory-budget-mib"
                                         : "read the answers, send fewer at a time, or try again later");
  }
  connection->second = now;
  if (now == 0) connections_.erase(connection);
  share.at_connection_ = bytes;
  if (bytes == 0) share.peer_.clear();
  return absl::OkStatus();
}

absl::Status MemoryBudget::RefuseForServer(int64_t bytes, int64_t limit, int64_t used) {
  ++refused_by_server_;
  return base::MakeStatus(
      absl::StatusCode::kResourceExhausted,
      "this takes {} bytes of memory, and requests and answers hold {} of {} (--memory-budget-mib); {}", bytes, used,
      limit,
      bytes > limit ? "send a smaller request, or raise the server's --memory-budget-mib"
                    : "try again later, or ask another replica");
}

void MemoryBudget::Shrink(MemoryShare& share, int64_t bytes) {
  if (share.at_connection_ != 0) {
    ResizeAtConnection(share, bytes <= kSmallBytes ? 0 : bytes, [] { return std::string(); }).IgnoreError();
  }
  used_.fetch_sub(share.bytes_ - bytes, std::memory_order_relaxed);
  share.bytes_ = bytes;
}

}  // namespace torchferry::rpc
