// How much may wait in a queue, in requests, rows and bytes. Pure.
#pragma once

#include <absl/status/status.h>

#include <cstdint>

namespace torchferry::batching {

struct QueueLimits {
  int64_t tasks = 1024;
  int64_t rows = 0;   // 0: any number
  int64_t bytes = 0;  // of their inputs; likewise
};

// What waits, or what one task adds to that.
struct QueueLoad {
  int64_t tasks = 0;
  int64_t rows = 0;
  int64_t bytes = 0;

  QueueLoad& operator+=(const QueueLoad& more) {
    tasks += more.tasks;
    rows += more.rows;
    bytes += more.bytes;
    return *this;
  }
  QueueLoad& operator-=(const QueueLoad& less) {
    tasks -= less.tasks;
    rows -= less.rows;
    bytes -= less.bytes;
    return *this;
  }
  bool operator==(const QueueLoad&) const = default;
};

// OK if `more` may wait beside `load`; one task that alone is above the limit on rows or bytes waits where nothing
// else does. Else UNAVAILABLE, with the limit that it meets and the two numbers.
absl::Status CheckRoom(const QueueLimits& limits, const QueueLoad& load, const QueueLoad& more);

}  // namespace torchferry::batching
