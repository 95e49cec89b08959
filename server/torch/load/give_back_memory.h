// Memory that threads have freed and glibc keeps for them, given back to the system.
#pragma once

namespace torchferry::libtorch {

// What malloc_trim gives back, and the free ends of the heaps that threads had, too: malloc_trim leaves these alone,
// and each may hold what a thread's largest forward pass took, long after the thread has ended. Takes milliseconds. A
// thread that runs a model meanwhile takes its memory from the system once more.
void GiveBackMemory();

}  // namespace torchferry::libtorch
