#include "server/batching/worker_plan.h"

#include <algorithm>

#include "server/base/logging.h"

namespace torchferry::batching {

bool IsNoneFree(const WorkerCounts& counts) { return counts.alive <= counts.stuck + counts.held_up; }

int WorkersWanted(const WorkerCounts& counts) {
  const int replaced = counts.planned + counts.stuck;
  const int most = counts.planned + counts.max_extra;
  const bool needs_another = IsNoneFree(counts) && counts.others_wait;
  const int wanted = needs_another ? std::max(replaced, counts.alive + 1)
                                   : std::clamp(counts.alive, replaced, replaced + counts.held_up);
  return std::min(wanted, most);
}

void LogWorkers(const WorkerNews& news) {
  const WorkerCounts& counts = news.counts;
  if (news.added > 0) {
    base::LogWarning("workers added", {{"added", news.added},
                                       {"stuck", counts.stuck},
                                       {"held_up", counts.held_up},
                                       {"max", counts.planned + counts.max_extra}});
  }
  if (news.is_none_left) {
    base::LogError("no worker is left",
                   {{"workers", counts.alive}, {"stuck", counts.stuck}, {"held_up", counts.held_up}});
  }
}

}  // namespace torchferry::batching
