// Memory that threads have freed and glibc keeps for them, given back to the system.
#pragma once

namespace torchferry::libtorch {

// Gives back what malloc_trim does, and the free ends of the threads' heaps. malloc_trim leaves these alone. Each may
// hold what the largest forward pass of a thread took, long after the thread has ended. The call takes milliseconds.
// A thread that runs a model meanwhile takes its memory from the system once more.
//
// glibc's thresholds are fixed from the first call on, at the values that large blocks bring them to: blocks of up to
// 32 MiB come from a heap, and a heap keeps up to 64 MiB of a free end.
void GiveBackMemory();

}  // namespace torchferry::libtorch
