// The thread that takes large messages apart, so that small ones do not wait for them.
#pragma once

#include <cstdint>
#include <deque>
#include <thread>

#include "server/base/mutex.h"
#include "server/rpc/transport/call_event.h"

namespace torchferry::rpc {

// Carries events in the order in which they came, one at a time. Its thread starts with the first one: who never gets a
// large message has no thread for them.
//
// While much waits, the threads that bring more do the work themselves: a loop then reads no faster than messages are
// parsed, and gRPC's part of the memory does not fill up with what has been received.
//
// Thread-safe.
class LargeMessages {
 public:
  // `max_waiting`: bytes of the messages that wait, with the running one. A message of so many always finds room
  // when none waits.
  explicit LargeMessages(int64_t max_waiting) : max_waiting_(max_waiting) {}
  // As Stop.
  ~LargeMessages() { Stop(); }
  LargeMessages(const LargeMessages&) = delete;
  LargeMessages& operator=(const LargeMessages&) = delete;

  // `event`, of a message of so many bytes, happens with `ok`: on the thread, or before this returns. Not after Stop.
  void Carry(CallEvent& event, int64_t bytes);

  // Waits for what is left, and ends the thread.
  void Stop();

 private:
  struct Message {
    CallEvent* event = nullptr;
    int64_t bytes = 0;
  };

  bool Add(const Message& message);
  void Run();
  // Waits; without an event at the end. `done`: what was next before.
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
