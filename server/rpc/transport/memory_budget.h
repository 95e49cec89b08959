// How much memory requests and answers may hold, from before a request is parsed until its answer has been sent.
#pragma once

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <unordered_map>

#include "server/base/mutex.h"

namespace torchferry::rpc {

class MemoryBudget;

// What one call holds of a budget, which outlives it; given back when it is destroyed. One thread at a time.
class MemoryShare {
 public:
  MemoryShare() = default;
  ~MemoryShare();
  MemoryShare(const MemoryShare&) = delete;
  MemoryShare& operator=(const MemoryShare&) = delete;

  int64_t bytes() const { return bytes_; }

 private:
  friend class MemoryBudget;
  MemoryBudget* budget_ = nullptr;  // that it has bytes of
  int64_t bytes_ = 0;               // of the process
  int64_t at_connection_ = 0;       // 0, or the same
  std::string peer_;                // the connection; empty while that has nothing of it
};

// A hard limit for the process, and one for each connection. A small share is the process's alone: how many of them a
// connection has is bounded by its streams. Large shares leave an eighth of the process's limit to small ones, so that
// small requests pass while large ones wait to be read.
//
// Thread-safe. A small share costs an atomic addition, and no lock.
class MemoryBudget {
 public:
  static constexpr int64_t kSmallBytes = int64_t{64} << 10;

  struct Limits {
    int64_t bytes = 0;
    int64_t connection_bytes = 0;
  };
  struct Refusals {
    int64_t server = 0;
    int64_t connection = 0;
  };

  explicit MemoryBudget(const Limits& limits) : limits_(limits) {}
  MemoryBudget(const MemoryBudget&) = delete;
  MemoryBudget& operator=(const MemoryBudget&) = delete;

  // `share` is of `bytes` afterwards. RESOURCE_EXHAUSTED, with the numbers, when that is more than is free: `share` is
  // then as it was. Less is always given. `peer` names the connection; it is asked for large shares.
  absl::Status Resize(MemoryShare& share, int64_t bytes, absl::FunctionRef<std::string()> peer);

  const Limits& limits() const { return limits_; }
  // The most that was in use since the last call.
  int64_t TakePeak();
  int64_t used() const { return used_.load(std::memory_order_relaxed); }
  Refusals refusals() const { return {refused_by_server_, refused_by_connection_}; }

 private:
  friend class MemoryShare;

  absl::Status ResizeAtConnection(MemoryShare& share, int64_t bytes, absl::FunctionRef<std::string()> peer);
  absl::Status RefuseForServer(int64_t bytes, int64_t limit, int64_t used);
  void Shrink(MemoryShare& share, int64_t bytes);

  const Limits limits_;
  std::atomic<int64_t> used_{0};
  std::atomic<int64_t> peak_{0};  // with large shares
  std::atomic<int64_t> refused_by_server_{0};
  std::atomic<int64_t> refused_by_connection_{0};
  base::Mutex mutex_;
  std::unordered_map<std::string, int64_t> connections_ FERRY_GUARDED_BY(mutex_);  // those that have large shares
};

}  // namespace torchferry::rpc
