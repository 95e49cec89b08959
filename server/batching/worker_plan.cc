#include "server/batching/worker_plan.h"

#include <algorithm>

namespace torchferry::batching {

bool IsNoneFree(const WorkerCounts& counts) { return counts.alive <= counts.stuck + counts.held_up; }

int WorkersWanted(const WorkerCounts& counts) {
  const int replaced = counts.planned + counts.stuck;
  const int most = counts.planned + counts.most_extra;
  const bool needs_another = IsNoneFree(counts) && counts.others_wait;
  const int wanted = needs_another ? std::max(replaced, counts.alive + 1)
                                   : std::clamp(counts.alive, replaced, replaced + counts.held_up);
  return std::min(wanted, most);
}

}  // namespace torchferry::batching
