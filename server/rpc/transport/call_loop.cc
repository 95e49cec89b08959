#include "server/rpc/transport/call_loop.h"

#include <sched.h>

#include <algorithm>
#include <utility>

#include "server/base/thread_name.h"

namespace torchferry::rpc {
namespace {

// Work that takes longer has the calls carried by another thread.
constexpr base::Duration kHeldUp = std::chrono::milliseconds(20);

// A thread that is held up for so long may not come back: another stands in for who stood in for it. So many at most.
constexpr base::Duration kLost = std::chrono::seconds(5);
constexpr size_t kMaxThreads = 4;

// For threads that are held up when the loop is to end.
constexpr base::Duration kPatience = std::chrono::seconds(2);

// Events that may come before work which waits.
constexpr int kMaxEvents = 128;

const gpr_timespec kNow = gpr_inf_past(GPR_CLOCK_MONOTONIC);

}  // namespace

CallLoop::CallLoop(std::unique_ptr<grpc::ServerCompletionQueue> queue, base::Duration busy_poll, CallMemory& memory,
                   Gate& gate, const base::Clock& clock)
    : queue_(std::move(queue)), busy_poll_(busy_poll), memory_(memory), gate_(gate), clock_(clock) {}

CallLoop::~CallLoop() { Stop(); }

void CallLoop::Start() {
  base::MutexLock lock(mutex_);
  for (int i = 0; i < 2; ++i) AddThread();
}

void CallLoop::AddThread() {
  held_up_.emplace_back();
  threads_.emplace_back([this, self = threads_.size()] { Run(self); });
}

void CallLoop::CallBegins() {
  base::MutexLock lock(calls_mutex_);
  ++calls_;
}

void CallLoop::CallEnds() {
  base::MutexLock lock(calls_mutex_);
  if (--calls_ == 0) no_calls_.NotifyAll();
}

bool CallLoop::Stop() {
  if (std::exchange(is_stopped_, true)) return !has_left_;
  {
    base::MutexLock lock(calls_mutex_);
    while (calls_ > 0) no_calls_.Wait(calls_mutex_);
  }
  large_.Stop();
  queue_->Shutdown();
  std::vector<std::thread> ended;
  {
    base::MutexLock lock(mutex_);
    if (threads_.empty()) return true;
    while (!has_ended_) changed_.Wait(mutex_);
    const auto is_held_up = [](const auto& since) { return since.has_value(); };
    const base::TimePoint until = clock_.Now() + kPatience;
    while (std::ranges::any_of(held_up_, is_held_up) && clock_.Now() < until) changed_.WaitUntil(mutex_, until);
    for (size_t i = 0; i < threads_.size(); ++i) {
      if (held_up_[i].has_value()) {
        has_left_ = true;
        threads_[i].detach();
      } else {
        ended.push_back(std::move(threads_[i]));
      }
    }
    threads_.clear();
  }
  for (std::thread& thread : ended) thread.join();
  return !has_left_;
}

void CallLoop::Run(Index self) {
  base::NameThisThread("rpc-loop");
  bool has_joined = false;
  for (bool takes_over = self != 0; WaitToLead(self); takes_over = true) {
    InlineWork* work = JoinedWork(has_joined);
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
    held_up_[leader_] = clock_.Now();
    leader_ = self;
  }
  return !has_ended_;
}

void CallLoop::Lead(Index self, bool& has_joined) {
  InlineWork* work = nullptr;
  BusyPoll poll(busy_poll_);
  Gathering gathering;
  Outbox outbox(memory_.sockets());
  void* tag = nullptr;
  bool ok = false;
  while (Next(work, poll, tag, ok)) {
    static_cast<CallEvent*>(tag)->OnEvent(ok);
    work = JoinedWork(has_joined);
    while (work != nullptr && work->HasWork()) {
      Gather(*work, gathering);
      if (!WorkAsLeader(*work, outbox, self)) return;
      const base::TimePoint now = clock_.Now();
      poll.RecordWork(now);
      gathering.RecordWork(now);
    }
  }
  base::MutexLock lock(mutex_);
  has_ended_ = true;
  changed_.NotifyAll();
}

InlineWork* CallLoop::JoinedWork(bool& has_joined) {
  InlineWork* work = work_;
  if (work != nullptr && !std::exchange(has_joined, true)) work->Attach();
  return work;
}

bool CallLoop::Next(InlineWork* work, BusyPoll& poll, void*& tag, bool& ok) {
  while (work != nullptr && poll.IsPolling(clock_.Now()) && work->IsAlone()) {
    const auto next = queue_->AsyncNext(&tag, &ok, kNow);
    if (next != grpc::CompletionQueue::TIMEOUT) return next == grpc::CompletionQueue::GOT_EVENT;
  }
  return queue_->Next(&tag, &ok);
}

int CallLoop::Drain() {
  void* tag = nullptr;
  bool ok = false;
  int events = 0;
  for (; events < kMaxEvents && queue_->AsyncNext(&tag, &ok, kNow) == grpc::CompletionQueue::GOT_EVENT; ++events) {
    static_cast<CallEvent*>(tag)->OnEvent(ok);
  }
  return events;
}

void CallLoop::Gather(InlineWork& work, Gathering& gathering) {
  const int events = 1 + Drain();
  gathering.Begin(events, work.Requests());
  for (base::TimePoint now = clock_.Now(); gathering.MayYield(now) && work.IsAlone();) {
    sched_yield();
    const base::TimePoint before = std::exchange(now, clock_.Now());
    Drain();
    gathering.RecordYield(now - before, work.Requests(), now);
  }
  gathering.End();
}

bool CallLoop::WorkAsLeader(InlineWork& work, Outbox& outbox, Index self) {
  if (!BeginWork()) {
    work.HandOver();
    return true;
  }
  {
    const Outbox::Collecting collecting(outbox);
    work.Run();
  }
  base::MutexLock lock(mutex_);
  if (leader_ != self) {
    held_up_[self].reset();  // this one was
    changed_.NotifyAll();
    return false;
  }
  is_working_ = false;
  return true;
}

bool CallLoop::HasStandIn() {
  size_t held_up = 0;
  base::TimePoint last = base::TimePoint::min();
  for (const auto& since : held_up_) {
    held_up += since.has_value() ? 1 : 0;
    last = std::max(last, since.value_or(base::TimePoint::min()));
  }
  if (held_up + 1 < threads_.size()) return true;
  if (threads_.size() >= kMaxThreads || clock_.Now() - kLost < last) return false;
  AddThread();
  return true;
}

bool CallLoop::BeginWork() {
  base::MutexLock lock(mutex_);
  if (!HasStandIn()) return false;
  is_working_ = true;
  ++works_;
  if (!std::exchange(is_watched_, true)) changed_.NotifyAll();
  return true;
}

}  // namespace torchferry::rpc
