#include "server/rpc/transport/call_loop.h"

#include "server/base/thread_name.h"

namespace torchferry::rpc {
namespace {

// Work that takes longer has the calls carried by another thread.
constexpr base::Duration kHeldUp = std::chrono::milliseconds(20);

// Events that may come before work which waits.
constexpr int kMostEvents = 128;

const gpr_timespec kNow = gpr_inf_past(GPR_CLOCK_MONOTONIC);

}  // namespace

CallLoop::CallLoop(std::unique_ptr<grpc::ServerCompletionQueue> queue, base::Duration busy_poll, CallMemory& memory,
                   const base::Clock& clock)
    : queue_(std::move(queue)), busy_poll_(busy_poll), memory_(memory), clock_(clock) {}

CallLoop::~CallLoop() { Stop(); }

void CallLoop::Start() {
  for (Index i = 0; i < threads_.size(); ++i) threads_[i] = std::thread([this, i] { Run(i); });
}

void CallLoop::CallBegins() {
  base::MutexLock lock(calls_mutex_);
  ++calls_;
}

void CallLoop::CallEnds() {
  base::MutexLock lock(calls_mutex_);
  if (--calls_ == 0) no_calls_.NotifyAll();
}

void CallLoop::Stop() {
  if (std::exchange(is_stopped_, true)) return;
  {
    base::MutexLock lock(calls_mutex_);
    while (calls_ > 0) no_calls_.Wait(calls_mutex_);
  }
  queue_->Shutdown();
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void CallLoop::Run(Index self) {
  base::NameThisThread("rpc-loop");
  bool has_joined = false;
  for (bool takes_over = self != 0; WaitToLead(self); takes_over = true) {
    WorkBetweenCalls* work = JoinedWork(has_joined);
    if (takes_over && work != nullptr) work->HandOver();
    Lead(self, has_joined);
    // What this thread was left while it was held up.
    if (has_joined) work_.load()->HandOver();
  }
}

bool CallLoop::WaitToLead(Index self) {
  base::MutexLock lock(mutex_);
  while (!has_ended_ && leader_ != self) {
    if (!is_watched_) {
      changed_.Wait(mutex_);
      continue;
    }
    const uint64_t seen = works_;
    const base::TimePoint until = clock_.Now() + kHeldUp;
    while (!has_ended_ && clock_.Now() < until) changed_.WaitUntil(mutex_, until);
    if (works_ != seen) continue;
    is_watched_ = false;  // the leader is held up, or has nothing to do
    if (!std::exchange(is_working_, false)) continue;
    leader_ = self;
    is_other_held_up_ = true;
  }
  return !has_ended_;
}

void CallLoop::Lead(Index self, bool& has_joined) {
  WorkBetweenCalls* work = nullptr;
  BusyPoll poll(busy_poll_);
  void* tag = nullptr;
  bool ok = false;
  while (Next(work, poll, tag, ok)) {
    static_cast<CallEvent*>(tag)->Happened(ok);
    work = JoinedWork(has_joined);
    while (work != nullptr && work->HasWork()) {
      Drain();
      if (!WorkAsLeader(*work, self)) return;
      poll.Worked(clock_.Now());
    }
  }
  base::MutexLock lock(mutex_);
  has_ended_ = true;
  changed_.NotifyAll();
}

WorkBetweenCalls* CallLoop::JoinedWork(bool& has_joined) {
  WorkBetweenCalls* work = work_;
  if (work != nullptr && !std::exchange(has_joined, true)) work->Join();
  return work;
}

bool CallLoop::Next(WorkBetweenCalls* work, BusyPoll& poll, void*& tag, bool& ok) {
  while (work != nullptr && poll.IsPolling(clock_.Now()) && work->IsAlone()) {
    const auto next = queue_->AsyncNext(&tag, &ok, kNow);
    if (next != grpc::CompletionQueue::TIMEOUT) return next == grpc::CompletionQueue::GOT_EVENT;
  }
  return queue_->Next(&tag, &ok);
}

void CallLoop::Drain() {
  void* tag = nullptr;
  bool ok = false;
  for (int i = 0; i < kMostEvents && queue_->AsyncNext(&tag, &ok, kNow) == grpc::CompletionQueue::GOT_EVENT; ++i) {
    static_cast<CallEvent*>(tag)->Happened(ok);
  }
}

bool CallLoop::WorkAsLeader(WorkBetweenCalls& work, Index self) {
  if (!BeginWork()) {
    work.HandOver();
    return true;
  }
  work.Work();
  base::MutexLock lock(mutex_);
  if (leader_ != self) {
    is_other_held_up_ = false;  // this one was
    return false;
  }
  is_working_ = false;
  return true;
}

bool CallLoop::BeginWork() {
  base::MutexLock lock(mutex_);
  if (is_other_held_up_) return false;
  is_working_ = true;
  ++works_;
  if (!std::exchange(is_watched_, true)) changed_.NotifyAll();
  return true;
}

}  // namespace torchferry::rpc
