// The thread that parses large messages, so that small ones do not wait for them.
#pragma once

#include <cstdint>
#include <deque>
#include <thread>

#include "server/base/mutex.h"
#include "server/rpc/transport/call_event.h"

namespace torchferry::rpc {

// Carries events in the order of arrival, one at a time. Its thread starts with the first event, so a loop without
// large messages has no such thread.
//
// While the queue is full, the threads that bring more do the work themselves. A loop then reads no faster than
// messages are parsed. Received messages hence do not fill gRPC's part of the memory.
//
// Thread-safe.
class LargeMessages {
 public:
  // `max_waiting`: max bytes of the messages that wait, with the running one. A message of any size finds room when
  // none waits or runs.
  explicit LargeMessages(int64_t max_waiting) : max_waiting_(max_waiting) {}
  // Calls Stop.
  ~LargeMessages() { Stop(); }
  LargeMessages(const LargeMessages&) = delete;
  LargeMessages& operator=(const LargeMessages&) = delete;

  // Calls `event`, of a message of `bytes` bytes, with `ok` true: on the thread, or before this returns. Must not be
  // called after Stop.
  void Carry(CallEvent& event, int64_t bytes);

  // Carries the events that are left, and ends the thread.
  void Stop();

 private:
  struct Message {
    CallEvent* event = nullptr;
    int64_t bytes = 0;
  };

  bool Add(const Message& message);
  void Run();
  // Waits for the next message; one without an event: the thread ends. `done`: the message before.
  Message Next(const Message& done);

  const int64_t max_waiting_;
  base::Mutex mutex_;
  base::CondVar changed_;
  std::deque<Message> messages_ FERRY_GUARDED_BY(mutex_);
  int64_t waiting_ FERRY_GUARDED_BY(mutex_) = 0;  // bytes of these, and of the running one
  bool is_stopped_ FERRY_GUARDED_BY(mutex_) = false;
  std::thread thread_ FERRY_GUARDED_BY(mutex_);
};

}  // namespace torchferry::rpc
