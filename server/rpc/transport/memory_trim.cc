#include "server/rpc/transport/memory_trim.h"

#include <malloc.h>

namespace torchferry::rpc {
namespace {

constexpr base::Duration kInterval = std::chrono::seconds(1);

}  // namespace

MemoryTrim::MemoryTrim(MemoryBudget& budget) : budget_(budget), thread_("memory-trim", [this] { return Look(); }) {
  thread_.Start();
}

base::TimePoint MemoryTrim::Look() {
  if (IsWorthIt(budget_.TakePeak(), budget_.limits().bytes)) malloc_trim(0);
  return base::Clock::Real().Now() + kInterval;
}

}  // namespace torchferry::rpc
