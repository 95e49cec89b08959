#include "server/batching/queue_room.h"

#include "server/base/refusal.h"
#include "server/base/status.h"

namespace torchferry::batching {

absl::Status CheckRoom(const QueueLimits& limits, const QueueLoad& load, const QueueLoad& more) {
  if (load.tasks + more.tasks > limits.tasks) {
    return base::WithLimit(
        base::MakeStatus(absl::StatusCode::kUnavailable,
                         "queue full: {} requests wait already, the limit; try again later", load.tasks),
        "queue_requests");
  }
  if (load.tasks == 0) return absl::OkStatus();
  if (limits.rows > 0 && load.rows + more.rows > limits.rows) {
    return base::WithLimit(
        base::MakeStatus(absl::StatusCode::kUnavailable,
                         "queue full: {} rows wait already, and this request has {}; the limit is {}; try again later",
                         load.rows, more.rows, limits.rows),
        "queue_rows");
  }
  if (limits.bytes > 0 && load.bytes + more.bytes > limits.bytes) {
    return base::WithLimit(
        base::MakeStatus(absl::StatusCode::kUnavailable,
                         "queue full: {} bytes wait already, and this request has {}; the limit is {}; try again later",
                         load.bytes, more.bytes, limits.bytes),
        "queue_bytes");
  }
  return absl::OkStatus();
}

}  // namespace torchferry::batching
