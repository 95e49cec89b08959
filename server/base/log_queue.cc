#include "server/base/log_queue.h"

#include <deque>
#include <thread>
#include <utility>

#include "server/base/mutex.h"
#include "server/base/thread_name.h"

namespace torchferry::base {

struct LogQueue::State {
  State(Limits the_limits, Write the_write, DescribeDrops the_describe_drops)
      : limits(the_limits), write(std::move(the_write)), describe_drops(std::move(the_describe_drops)) {}

  // Until the queue ends.
  void WriteAll();
  // What is to be written next: a line, or how many were dropped before it. False: the queue has ended.
  bool Next(std::string& text, bool& is_line);

  const Limits limits;
  const Write write;                   // of the thread
  const DescribeDrops describe_drops;  // likewise

  Mutex mutex;
  CondVar filled;   // for the thread
  CondVar emptied;  // for Flush
  std::deque<std::string> lines FERRY_GUARDED_BY(mutex);
  size_t bytes FERRY_GUARDED_BY(mutex) = 0;  // of the lines
  uint64_t dropped FERRY_GUARDED_BY(mutex) = 0;
  uint64_t dropped_and_said FERRY_GUARDED_BY(mutex) = 0;
  bool is_writing FERRY_GUARDED_BY(mutex) = false;
  bool is_ended FERRY_GUARDED_BY(mutex) = false;
};

bool LogQueue::State::Next(std::string& text, bool& is_line) {
  uint64_t unsaid = 0;
  {
    MutexLock lock(mutex);
    is_writing = false;
    while (lines.empty() && !is_ended) {
      emptied.NotifyAll();
      filled.Wait(mutex);
    }
    if (is_ended) return false;
    is_writing = true;
    unsaid = dropped - std::exchange(dropped_and_said, dropped);
    is_line = unsaid == 0;
    if (is_line) {
      text = std::move(lines.front());
      lines.pop_front();
      bytes -= text.size();
    }
  }
  if (!is_line) text = describe_drops(unsaid);
  return true;
}

void LogQueue::State::WriteAll() {
  std::string text;
  bool is_line = true;
  while (Next(text, is_line)) {
    if (write(text) || !is_line) continue;
    MutexLock lock(mutex);
    ++dropped;
  }
}

LogQueue::LogQueue(Limits limits, Write write, DescribeDrops describe_drops)
    : state_(std::make_shared<State>(limits, std::move(write), std::move(describe_drops))) {
  std::thread([state = state_] {
    NameThisThread("log");
    state->WriteAll();
  }).detach();
}

LogQueue::~LogQueue() {
  MutexLock lock(state_->mutex);
  state_->is_ended = true;
  state_->lines.clear();
  state_->filled.NotifyAll();
}

void LogQueue::Push(std::string line) {
  State& state = *state_;
  MutexLock lock(state.mutex);
  while (!state.lines.empty() &&
         (state.lines.size() >= state.limits.lines || state.bytes + line.size() > state.limits.bytes)) {
    state.bytes -= state.lines.front().size();
    state.lines.pop_front();
    ++state.dropped;
  }
  state.bytes += line.size();
  state.lines.push_back(std::move(line));
  state.filled.NotifyOne();
}

bool LogQueue::Flush(Duration most) {
  const TimePoint deadline = std::chrono::steady_clock::now() + most;
  MutexLock lock(state_->mutex);
  while (!state_->lines.empty() || state_->is_writing) {
    if (!state_->emptied.WaitUntil(state_->mutex, deadline)) return state_->lines.empty() && !state_->is_writing;
  }
  return true;
}

uint64_t LogQueue::dropped() const {
  MutexLock lock(state_->mutex);
  return state_->dropped;
}

}  // namespace torchferry::base
