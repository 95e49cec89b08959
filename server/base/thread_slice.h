// The time that a thread may keep its processor when another one is ready.
#pragma once

#include "server/base/clock.h"

namespace torchferry::base {

// Asks the kernel for turns of this length for the calling thread, from 0.1 to 100 ms. Zero asks for the kernel's own
// length, some milliseconds. The thread's share of the processor stays the same. A thread of shorter turns takes the
// processor from it sooner. Threads that it starts from then on have the same turns. False where the kernel cannot do
// it: Linux before 6.12, or a sandbox that forbids sched_setattr.
bool SetThreadSlice(Duration slice);

// The length of the calling thread's turns, as the kernel says. Zero where the kernel has no such length.
Duration ThreadSlice();

}  // namespace torchferry::base
