#include "server/base/loop_thread.h"

#include <chrono>

#include "server/base/thread_name.h"

namespace torchferry::base {

void LoopThread::Start(TimePoint first) {
  thread_ = std::thread([this, first] {
    NameThisThread(name_);
    Loop(first);
  });
}

void LoopThread::Wake() {
  MutexLock lock(mutex_);
  is_woken_ = true;
  changed_.NotifyAll();
}

void LoopThread::Stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
}

void LoopThread::Loop(TimePoint next) {
  while (WaitForTurn(next)) next = turn_();
}

bool LoopThread::WaitForTurn(TimePoint next) {
  MutexLock lock(mutex_);
  while (!stopping_ && !is_woken_ && Clock::Real().Now() < next) {
    if (next == kNoDeadline) {
      changed_.Wait(mutex_);
    } else {
      changed_.WaitUntil(mutex_, next);
    }
  }
  is_woken_ = false;
  return !stopping_;
}

}  // namespace torchferry::base
