// Threads that should get what the others leave of the processors.
#pragma once

namespace torchferry::base {

// The calling thread's number in the kernel.
int ThisThreadNumber();

// That thread of this process runs when no other wants to, more or less. It cannot be undone without privileges.
void LowerPriority(int thread_number);

}  // namespace torchferry::base
