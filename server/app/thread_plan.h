// The number of the server's threads, from its flags and the processors that it may use.
#pragma once

#include "server/app/flags.h"
#include "server/base/clock.h"

namespace torchferry::app {

struct ThreadPlan {
  int workers = 1;             // threads that run models
  int processors = 1;          // that all workers together use
  int call_loops = 1;          // threads that carry the calls of the gRPC address
  base::Duration busy_poll{};  // of these threads; zero: they sleep at once
};

// `cpu_quota`: processors that may be used; a fraction under some cgroup limits.
ThreadPlan PlanThreads(const ServerFlags& flags, double cpu_quota);

}  // namespace torchferry::app
