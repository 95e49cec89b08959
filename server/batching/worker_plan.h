// How many workers there should be while some of them do not come back. Pure, but for the log.
#pragma once

namespace torchferry::batching {

struct WorkerCounts {
  int planned = 1;    // that the server was told to have
  int max_extra = 0;  // beside these
  int alive = 1;      // now, whatever they do
  int stuck = 0;      // of these: in a pass that was given up
  int held_up = 0;    // of these: in one batch for long, and not stuck
  // A queue that holds up none of them has something to run.
  bool others_wait = false;
};

// Whether no worker could take a batch soon.
bool IsNoneFree(const WorkerCounts& counts);

// Each stuck worker is replaced. While all others are held up by some models and other models wait, one more is made
// for these, which stays until those that are held up are back. Never more than `planned` and `max_extra`.
int WorkersWanted(const WorkerCounts& counts);

// What the log is to say of a look at the workers.
struct WorkerNews {
  WorkerCounts counts;
  int added = 0;
  bool is_none_left = false;  // from now on
};
void LogWorkers(const WorkerNews& news);

}  // namespace torchferry::batching
