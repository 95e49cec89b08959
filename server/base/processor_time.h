// Time that the calling thread has run on a processor.
#pragma once

#include <ctime>

#include "server/base/clock.h"

namespace torchferry::base {

// The time since the thread began. It does not grow while the thread waits, or while another thread has its processor.
inline Duration ThreadProcessorTime() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace torchferry::base
