// Time that a thread has run on a processor. It does not grow while the thread waits, or while another thread has its
// processor.
#pragma once

#include <pthread.h>

#include <ctime>

#include "server/base/clock.h"

namespace torchferry::base {

// Names a thread for ProcessorTime, while the thread lives.
using ThreadClock = clockid_t;

inline ThreadClock ThisThreadClock() {
  ThreadClock clock = CLOCK_THREAD_CPUTIME_ID;
  pthread_getcpuclockid(pthread_self(), &clock);
  return clock;
}

// The time since the thread of `clock` began.
inline Duration ProcessorTime(ThreadClock clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

// The time since the calling thread began.
inline Duration ThreadProcessorTime() { return ProcessorTime(CLOCK_THREAD_CPUTIME_ID); }

}  // namespace torchferry::base
