// Names for threads: what top -H, perf and gdb show.
#pragma once

#include <string_view>

namespace torchferry::base {

// Names the calling thread. The kernel keeps 15 bytes; the rest is cut off. Threads that it starts from then on have
// the same name until they name themselves. Not for the main thread, whose name is the process's.
void NameThisThread(std::string_view name);

}  // namespace torchferry::base
