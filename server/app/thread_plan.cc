#include "server/app/thread_plan.h"

#include <algorithm>
#include <cmath>

namespace torchferry::app {
namespace {

constexpr int kProcessorsPerCallLoop = 4;
// With fewer, a thread that polls takes the processor that the other threads need.
constexpr double kMinQuotaToPoll = 2;

}  // namespace

ThreadPlan PlanThreads(const ServerFlags& flags, double cpu_quota) {
  ThreadPlan plan;
  const int processors = std::max(1, static_cast<int>(std::floor(cpu_quota)));
  plan.workers = flags.workers > 0 ? flags.workers : std::max(1, processors / flags.intra_op_threads);
  plan.processors = plan.workers * flags.intra_op_threads;
  plan.call_loops =
      flags.grpc_threads > 0 ? flags.grpc_threads : std::max(1, static_cast<int>(cpu_quota) / kProcessorsPerCallLoop);
  if (cpu_quota >= kMinQuotaToPoll) plan.busy_poll = std::chrono::microseconds(flags.busy_poll_microseconds);
  return plan;
}

}  // namespace torchferry::app
