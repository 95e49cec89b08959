#include "server/rpc/transport/call.h"

namespace torchferry::rpc {

Call::Call(CallLoop& loop) : loop_(loop) {
  loop_.CallBegins();
  context_.AsyncNotifyWhenDone(&ended_);
}

Call::~Call() { loop_.CallEnds(); }

base::TimePoint Call::DeadlineOn(const base::Clock& clock) const {
  // gRPC's deadline is a time of the day; ours is of the monotonic clock. "None" is a date far away, which would
  // overflow.
  const auto left = context_.deadline() - std::chrono::system_clock::now();
  if (left > std::chrono::hours(24 * 365)) return base::kNoDeadline;
  return clock.Now() + std::chrono::duration_cast<base::Duration>(left);
}

void Call::AfterEnd(bool) {
  if (context_.IsCancelled()) {
    is_cancelled_.store(true, std::memory_order_relaxed);
    if (on_cancel_) on_cancel_();
  }
  Release();
}

}  // namespace torchferry::rpc
