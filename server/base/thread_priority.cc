#include "server/base/thread_priority.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace torchferry::base {

int ThisThreadNumber() { return static_cast<int>(syscall(SYS_gettid)); }

void LowerPriority(int thread_number) {
  constexpr int kLowest = 19;
  // Linux has a priority for each thread. Where it is refused, the thread goes on as before.
  if (thread_number > 0) setpriority(PRIO_PROCESS, static_cast<id_t>(thread_number), kLowest);
}

}  // namespace torchferry::base
