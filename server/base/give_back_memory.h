// Returns to the system the memory that threads have freed and glibc keeps for them.
#pragma once

namespace torchferry::base {

// Returns what malloc_trim returns, and the free ends of the threads' heaps, which malloc_trim leaves alone. A free end
// may hold the memory of a thread's largest forward pass, long after the thread has ended. The call takes milliseconds.
// A thread that runs a model meanwhile takes its memory from the system again.
//
// The first call fixes glibc's thresholds (FixHeapThresholds of heap.h).
void GiveBackMemory();

}  // namespace torchferry::base
