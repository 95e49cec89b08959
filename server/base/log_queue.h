// Lines on their way to a reader that may stop reading: whoever logs never waits for it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "server/base/clock.h"

namespace torchferry::base {

// Thread-safe. A thread of its own writes. That thread is never waited for: it ends with the process.
class LogQueue {
 public:
  // What may wait to be written. The oldest lines make room for new ones. One line may be larger than `bytes`.
  struct Limits {
    size_t lines = 8192;
    size_t bytes = size_t{4} << 20;
  };
  // Writes text whole, and may block for as long as it likes. False: it was lost. Called on the queue's thread alone.
  using Write = std::function<bool(std::string_view)>;
  // The line that says that `count` lines were dropped since it was last said.
  using DescribeDrops = std::function<std::string(uint64_t count)>;

  LogQueue(Limits limits, Write write, DescribeDrops describe_drops);
  // Lines that are not written yet are lost, but for the one that is being written.
  ~LogQueue();
  LogQueue(const LogQueue&) = delete;
  LogQueue& operator=(const LogQueue&) = delete;

  // `line` has its line end. Does not block.
  void Push(std::string line);
  // Waits until everything that was pushed is written, for `most` at most. Whether it is.
  bool Flush(Duration most);
  // Lines that were never written: no room, or `write` failed.
  uint64_t dropped() const;

 private:
  struct State;
  const std::shared_ptr<State> state_;  // shared with the thread
};

}  // namespace torchferry::base
