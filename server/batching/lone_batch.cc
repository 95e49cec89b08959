#include "server/batching/lone_batch.h"

#include <algorithm>

namespace torchferry::batching {
namespace {

// A task that has waited longer was not alone. A worker wakes within this time even on a busy host.
base::Duration MaxWait(const LatencyPoint& point) {
  return std::max<base::Duration>(point.expected / 4, std::chrono::milliseconds(1));
}

}  // namespace

int LoneThreads(const LatencyPoint& point, const LoneFacts& facts) {
  if (facts.rows > point.max_rows || facts.others_wait || facts.waited > MaxWait(point)) return 0;
  const int allowed = facts.others_run ? std::max(1, facts.free_threads / 2) : facts.free_threads;
  const int threads = std::min(point.threads, allowed);
  const bool gains = threads > facts.threads || threads == point.threads;
  return gains ? threads : 0;
}

}  // namespace torchferry::batching
