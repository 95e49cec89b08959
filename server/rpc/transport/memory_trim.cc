#include "server/rpc/transport/memory_trim.h"

#include <malloc.h>

namespace torchferry::rpc {
namespace {

constexpr base::Duration kInterval = std::chrono::seconds(1);
// Busy threads free a block within it. What runs within it pays with page faults: 2 % of the time.
constexpr base::Duration kMoment = std::chrono::milliseconds(20);

}  // namespace

MemoryTrim::MemoryTrim(MemoryBudget& budget) : budget_(budget), thread_("memory-trim", [this] { return Look(); }) {
  thread_.Start();
}

base::TimePoint MemoryTrim::Look() {
  const bool is_trimming = ends_.has_value();
  ends_.reset();
  if (!is_trimming && IsWorthIt(budget_.TakePeak(), budget_.limits().bytes)) {
    ends_.emplace();
    malloc_trim(0);
    return base::Clock::Real().Now() + kMoment;
  }
  return base::Clock::Real().Now() + kInterval;
}

}  // namespace torchferry::rpc
