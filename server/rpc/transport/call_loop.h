// The thread that carries the events of gRPC's calls.
#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/rpc/transport/busy_poll.h"
#include "server/rpc/transport/call_memory.h"
#include "server/rpc/transport/gate.h"
#include "server/rpc/transport/gathering.h"
#include "server/rpc/transport/large_messages.h"
#include "server/rpc/transport/outbox.h"

namespace torchferry::rpc {

// Work that calls leave to the thread that carries them, to be done when no event waits. All functions are called on
// that thread.
class InlineWork {
 public:
  virtual ~InlineWork() = default;
  // Called once for each thread, before all else.
  virtual void Attach() = 0;
  virtual bool HasWork() = 0;
  // How many requests the next Run works on.
  virtual size_t Requests() = 0;
  // Does a part of the work that waits: one batch. It should take less than a millisecond. While it takes much longer,
  // another thread carries the calls.
  virtual void Run() = 0;
  // Whether no other thread of this process computes, so that a processor is free for polling. Callable at any time.
  virtual bool IsAlone() = 0;
  // Leaves to other threads the work of this thread, and of a thread that is held up in Run.
  virtual void HandOver() = 0;
};

// One completion queue and the one thread that waits on it: a second one would be woken by each event of the first. The
// thread has a stand-in, which takes over while the thread is held up. If that lasts, it gets another stand-in, up to a
// max.
//
// An answer costs the same write on any thread. But two threads that meet at a connection cost each other more than
// that. Calls that can be answered at once are therefore answered on this thread.
//
// Thread-safe.
class CallLoop {
 public:
  // `queue` belongs to a server that is not started yet. `busy_poll`: how long to poll for the next event after work,
  // before sleeping. `memory` is for the calls, and `gate` admits them.
  CallLoop(std::unique_ptr<grpc::ServerCompletionQueue> queue, base::Duration busy_poll, CallMemory& memory, Gate& gate,
           const base::Clock& clock);
  // Calls Stop.
  ~CallLoop();
  CallLoop(const CallLoop&) = delete;
  CallLoop& operator=(const CallLoop&) = delete;

  grpc::ServerCompletionQueue* queue() { return queue_.get(); }
  CallMemory& memory() { return memory_; }
  Gate& gate() { return gate_; }
  // The thread for messages that take long to parse, and would hold up the loop.
  LargeMessages& large() { return large_; }

  // To be called once, after the server has started.
  void Start();
  // `work` outlives the loop.
  void SetWork(InlineWork* work) { work_ = work; }

  // Each call, waiting for a caller or in flight, is counted while it uses the queue.
  void CallBegins();
  void CallEnds();

  // Waits until no call is left, and ends the threads. The server must have been shut down, so that no new call comes.
  // Must be called from one thread only. True: all threads have ended. False: one is held up in work that does not end,
  // and was left behind. The loop must then not be destroyed.
  bool Stop();

 private:
  using Index = size_t;  // index of a thread

  void Run(Index self);
  // Waits until thread `self` leads; false: the loop ends.
  bool WaitToLead(Index self);
  void Lead(Index self, bool& has_joined);
  InlineWork* JoinedWork(bool& has_joined);
  // As the queue's Next, but it polls while `poll` says so.
  bool Next(InlineWork* work, BusyPoll& poll, void*& tag, bool& ok);
  // Carries events until none waits, max kMaxEvents (call_loop.cc) of them, as work may wait. Returns how many came.
  int Drain();
  // Drains events, and yields the processor and drains again while `gathering` says so. It does not yield while another
  // thread of this process computes.
  void Gather(InlineWork& work, Gathering& gathering);
  // Does the work, or hands it over where no thread can stand in. The answers leave by `outbox`. False: another thread
  // leads by now.
  bool WorkAsLeader(InlineWork& work, Outbox& outbox, Index self);
  bool BeginWork();
  void AddThread() FERRY_REQUIRES(mutex_);
  // Whether a thread can stand in for the leader. It adds one where that is needed and allowed.
  bool HasStandIn() FERRY_REQUIRES(mutex_);

  const std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  const base::Duration busy_poll_;
  CallMemory& memory_;
  Gate& gate_;
  const base::Clock& clock_;
  std::atomic<InlineWork*> work_{nullptr};
  LargeMessages large_{memory_.max_message_bytes()};
  bool is_stopped_ = false;
  bool has_left_ = false;  // Stop left a thread behind

  base::Mutex calls_mutex_;
  base::CondVar no_calls_;
  int64_t calls_ FERRY_GUARDED_BY(calls_mutex_) = 0;

  base::Mutex mutex_;
  base::CondVar changed_;
  Index leader_ FERRY_GUARDED_BY(mutex_) = 0;
  bool has_ended_ FERRY_GUARDED_BY(mutex_) = false;
  bool is_watched_ FERRY_GUARDED_BY(mutex_) = false;  // a stand-in checks the next two from time to time
  bool is_working_ FERRY_GUARDED_BY(mutex_) = false;
  uint64_t works_ FERRY_GUARDED_BY(mutex_) = 0;  // works begun
  // For each thread: since when it is held up.
  std::vector<std::optional<base::TimePoint>> held_up_ FERRY_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_ FERRY_GUARDED_BY(mutex_);
};

}  // namespace torchferry::rpc
