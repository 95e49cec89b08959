// Threads that should run only on processors that the other threads leave free.
#pragma once

namespace torchferry::base {

// The calling thread's number in the kernel.
int ThisThreadNumber();

// Gives that thread of this process the lowest priority: it runs mostly when no other wants to. It cannot be undone
// without privileges. Where the kernel refuses it, the thread goes on as before.
void LowerPriority(int thread_number);

}  // namespace torchferry::base
