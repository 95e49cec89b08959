#include "server/base/thread_slice.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace torchferry::base {
namespace {

// The kernel's struct sched_attr, as Linux 3.14 had it first. Debian 12's C library has none.
struct SchedulingAttributes {
  uint32_t size;
  uint32_t policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime;  // nanoseconds; of ordinary threads the length of a turn
  uint64_t deadline;
  uint64_t period;
};

constexpr int kThisThread = 0;

bool Get(SchedulingAttributes& attributes) {
  return syscall(SYS_sched_getattr, kThisThread, &attributes, sizeof(attributes), 0) == 0;
}

}  // namespace

bool SetThreadSlice(Duration slice) {
  SchedulingAttributes attributes{};
  if (!Get(attributes)) return false;
  attributes.size = sizeof(attributes);
  attributes.runtime = static_cast<uint64_t>(std::chrono::nanoseconds(slice).count());
  if (syscall(SYS_sched_setattr, kThisThread, &attributes, 0) != 0) return false;
  // A kernel that knows no turns takes the value and keeps nothing.
  return slice == Duration::zero() || ThreadSlice() == slice;
}

Duration ThreadSlice() {
  SchedulingAttributes attributes{};
  return Get(attributes) ? Duration(std::chrono::nanoseconds(attributes.runtime)) : Duration::zero();
}

}  // namespace torchferry::base
