// How much may wait in a queue, in requests, rows and bytes. Pure.
#pragma once

#include <absl/status/status.h>

#include <cstdint>

namespace torchferry::batching {

struct QueueLimits {
  int64_t tasks = 1024;
  int64_t rows = 0;   // 0: any number
  int64_t bytes = 0;  // of their inputs; 0: any number
};

// The load of all waiting tasks, or of one task.
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

// OK if `more` may wait beside `load`. One task that alone exceeds the limit on rows or bytes may wait in an empty
// queue. Otherwise UNAVAILABLE, with the limit that it meets and both numbers.
absl::Status CheckRoom(const QueueLimits& limits, const QueueLoad& load, const QueueLoad& more);

}  // namespace torchferry::batching
