// How many requests of one stream may be in flight at the same time. Pure.
#pragma once

#include <cstddef>
#include <cstdint>

#include "server/rpc/transport/memory_budget.h"

namespace torchferry::rpc {

// Requests of a stream share batches, so several are taken before the first is answered. Their max is
// limits::kMaxStreamRequests, and fewer where they or their answers are large. A request never waits for this while the
// stream has no other.
class StreamWindow {
 public:
  // Max bytes that a stream may hold with several requests while its server has `used` bytes of `limits` in use.
  static int64_t MaxBytes(const MemoryBudget::Limits& limits, int64_t used);

  // Whether a request of `bytes` may begin beside `in_flight` others. Each is assumed to become as large, with its
  // answer, as the largest of the recent ones. `bytes` 0: not known yet.
  bool Admits(size_t in_flight, int64_t bytes, int64_t max_bytes) const;

  // Notes what one request holds, with its answer.
  void Saw(int64_t bytes);

 private:
  int64_t largest_ = 0;  // the largest of the recent ones; it fades
};

}  // namespace torchferry::rpc
