// Limits the memory of requests and answers, from before a request is parsed until its answer has been sent.
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

// The bytes that one call holds of a budget, given back when the share is destroyed. The budget outlives the share. One
// thread at a time.
class MemoryShare {
 public:
  MemoryShare() = default;
  ~MemoryShare();
  MemoryShare(const MemoryShare&) = delete;
  MemoryShare& operator=(const MemoryShare&) = delete;

  int64_t bytes() const { return bytes_; }

 private:
  friend class MemoryBudget;
  MemoryBudget* budget_ = nullptr;  // the budget of its bytes
  int64_t bytes_ = 0;               // counted for the process
  int64_t at_connection_ = 0;       // counted for the connection: 0, or the same
  std::string peer_;                // the connection; empty while nothing is counted for it
};

// A hard limit for the process, and one for each connection. A small share counts for the process alone: the number of
// streams bounds those of a connection. Large shares leave an eighth of the process's limit to small ones, so that
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

  // Sets `share` to `bytes`. RESOURCE_EXHAUSTED, with the numbers, when more is needed than is free: `share` is then
  // unchanged. Shrinking always succeeds. `peer` gives the connection's name; it is called for large shares only.
  absl::Status Resize(MemoryShare& share, int64_t bytes, absl::FunctionRef<std::string()> peer);

  const Limits& limits() const { return limits_; }
  // The max bytes in use since the last call, measured when a large share grows, and now.
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
  std::atomic<int64_t> peak_{0};  // max of used_, measured when a large share grows
  std::atomic<int64_t> refused_by_server_{0};
  std::atomic<int64_t> refused_by_connection_{0};
  base::Mutex mutex_;
  std::unordered_map<std::string, int64_t> connections_ FERRY_GUARDED_BY(mutex_);  // bytes of large shares
};

}  // namespace torchferry::rpc
