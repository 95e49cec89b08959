// Decides how many workers there should be while some are stuck or held up. Pure, except for the log.
#pragma once

namespace torchferry::batching {

struct WorkerCounts {
  int planned = 1;    // as configured
  int max_extra = 0;  // max extra workers beside these
  int alive = 1;      // that exist now, whatever they do
  int stuck = 0;      // alive, but in a pass that was given up
  int held_up = 0;    // alive, but in one batch for long, and not stuck
  // A queue that holds up no worker has something to run.
  bool others_wait = false;
};

// Whether no worker could take a batch soon.
bool IsNoneFree(const WorkerCounts& counts);

// Each stuck worker is replaced. While some models hold up all other workers and other models wait, one more worker is
// made for these. It stays until the workers that are held up are back. The result is max `planned` + `max_extra`.
int WorkersWanted(const WorkerCounts& counts);

// The content of the log after a check of the workers.
struct WorkerNews {
  WorkerCounts counts;
  int added = 0;
  bool is_none_left = false;  // it became true at this check
};
void LogWorkers(const WorkerNews& news);

}  // namespace torchferry::batching
