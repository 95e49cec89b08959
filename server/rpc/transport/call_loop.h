// The thread that carries what happens to gRPC's calls.
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

namespace torchferry::rpc {

// Work that the calls leave to the thread which carries them, to be done when no event waits. All on that thread.
class WorkBetweenCalls {
 public:
  virtual ~WorkBetweenCalls() = default;
  // Once for each thread, before all else.
  virtual void Join() = 0;
  virtual bool HasWork() = 0;
  // What there is. Meant to take less than a millisecond; while it takes much longer, another thread carries the calls.
  virtual void Work() = 0;
  // Whether no other thread of this process computes, so that a processor is free to wait busily. Any time.
  virtual bool IsAlone() = 0;
  // Another thread is held up in Work: what that and this thread were left is for somebody else.
  virtual void HandOver() = 0;
};

// One completion queue and the one thread that waits on it: a second one would be woken by each event of the first. It
// has a stand-in, which takes over while the first is held up, and gets another when that lasts, up to a few.
//
// One answer costs the same write from whatever thread it is given, but two threads that meet at a connection cost each
// other more than that: who can answer at once does it on this thread.
//
// Thread-safe.
class CallLoop {
 public:
  // `queue` is of a server that is not started yet. `busy_poll`: how long to look for the next event before sleeping,
  // after work. `memory` is the calls', and `gate` lets them in.
  CallLoop(std::unique_ptr<grpc::ServerCompletionQueue> queue, base::Duration busy_poll, CallMemory& memory, Gate& gate,
           const base::Clock& clock);
  // As Stop.
  ~CallLoop();
  CallLoop(const CallLoop&) = delete;
  CallLoop& operator=(const CallLoop&) = delete;

  grpc::ServerCompletionQueue* queue() { return queue_.get(); }
  CallMemory& memory() { return memory_; }
  Gate& gate() { return gate_; }
  // For what would hold the loop up: messages that take long to parse.
  LargeMessages& large() { return large_; }

  // Once, after the server has.
  void Start();
  // `work` outlives the loop.
  void SetWork(WorkBetweenCalls* work) { work_ = work; }

  // Each call, waiting for a caller or in flight, is counted as long as it uses the queue.
  void CallBegins();
  void CallEnds();

  // Waits until no call is left, and ends the thread. The server must have been shut down, so that no new one comes.
  // From one thread alone. True: all threads have ended. False: one is held up in work that does not end, and was left;
  // the loop must then not be destroyed.
  bool Stop();

 private:
  using Index = size_t;  // of a thread

  void Run(Index self);
  // False at the end.
  bool WaitToLead(Index self);
  void Lead(Index self, bool& has_joined);
  WorkBetweenCalls* JoinedWork(bool& has_joined);
  // As the queue's Next, and busily as far as `poll` says.
  bool Next(WorkBetweenCalls* work, BusyPoll& poll, void*& tag, bool& ok);
  // Events, until none waits or so many have come that work should not wait longer. How many came.
  int Drain();
  // Drain, and more of it as far as `gathering` says. It gives way to no other thread of this process that computes.
  void Gather(WorkBetweenCalls& work, Gathering& gathering);
  // The work, or handing it over. False when another thread leads by now.
  bool WorkAsLeader(WorkBetweenCalls& work, Index self);
  bool BeginWork();
  void AddThread() FERRY_REQUIRES(mutex_);
  // Whether somebody would stand in for the leader.
  bool HasStandIn() FERRY_REQUIRES(mutex_);

  const std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  const base::Duration busy_poll_;
  CallMemory& memory_;
  Gate& gate_;
  const base::Clock& clock_;
  std::atomic<WorkBetweenCalls*> work_{nullptr};
  LargeMessages large_{memory_.max_message_bytes()};
  bool is_stopped_ = false;
  bool has_left_ = false;  // a thread, when it was stopped

  base::Mutex calls_mutex_;
  base::CondVar no_calls_;
  int64_t calls_ FERRY_GUARDED_BY(calls_mutex_) = 0;

  base::Mutex mutex_;
  base::CondVar changed_;
  Index leader_ FERRY_GUARDED_BY(mutex_) = 0;
  bool has_ended_ FERRY_GUARDED_BY(mutex_) = false;
  bool is_watched_ FERRY_GUARDED_BY(mutex_) = false;  // the other thread looks at the next two from time to time
  bool is_working_ FERRY_GUARDED_BY(mutex_) = false;
  uint64_t works_ FERRY_GUARDED_BY(mutex_) = 0;  // begun
  // Of each thread: since when it is held up.
  std::vector<std::optional<base::TimePoint>> held_up_ FERRY_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_ FERRY_GUARDED_BY(mutex_);
};

}  // namespace torchferry::rpc
