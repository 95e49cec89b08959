// A thread that takes one turn after another until it is stopped.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <thread>

#include "server/base/clock.h"
#include "server/base/mutex.h"

namespace torchferry::base {

// Thread-safe, but for Start and the destructor.
class LoopThread {
 public:
  // One turn, on the thread. Returns when the next one is due at the latest; kNoDeadline: not before Wake.
  using Turn = std::function<TimePoint()>;

  // `name`: at most 15 characters, for tools that list threads.
  LoopThread(std::string_view name, Turn turn) : name_(name), turn_(std::move(turn)) {}
  // Stop.
  ~LoopThread() { Stop(); }
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;

  // The first turn is due at `first`; by default at once. Once.
  void Start(TimePoint first = TimePoint::min());
  // Another turn as soon as the thread is free. A running turn does not count as that one.
  void Wake();
  // No turn begins from now on. Waits for one that runs. Not from a turn.
  void Stop();

 private:
  void Loop(TimePoint next);
  // Until a turn is due. False: the thread is to end.
  bool WaitForTurn(TimePoint next);

  const std::string name_;
  const Turn turn_;
  Mutex mutex_;
  CondVar changed_;
  bool is_woken_ FERRY_GUARDED_BY(mutex_) = false;
  bool stopping_ FERRY_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace torchferry::base
