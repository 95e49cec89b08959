// A thread that runs one turn after another until it is stopped.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <thread>

#include "server/base/clock.h"
#include "server/base/mutex.h"

namespace torchferry::base {

// Wake is thread-safe. Start, Stop and the destructor are called by one thread at a time.
class LoopThread {
 public:
  // One turn, on the thread. Returns when the next one is due at the latest; kNoDeadline: only after Wake.
  using Turn = std::function<TimePoint()>;

  // `name`: at most 15 characters, for tools that list threads.
  LoopThread(std::string_view name, Turn turn) : name_(name), turn_(std::move(turn)) {}
  // Calls Stop.
  ~LoopThread() { Stop(); }
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;

  // Starts the thread. The first turn is due at `first`, by default at once. Call it once.
  void Start(TimePoint first = TimePoint::min());
  // Asks for another turn as soon as the thread is free. A turn that is already running does not count.
  void Wake();
  // No turn begins from now on. Waits for a running one, so a turn must not call it.
  void Stop();

 private:
  void Loop(TimePoint next);
  // Waits until a turn is due. False: the thread must end.
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
