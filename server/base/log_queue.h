// Lines for a reader that may stop reading: a thread that logs never waits for it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "server/base/clock.h"

namespace torchferry::base {

// Thread-safe. A thread of the queue writes. It is detached: it ends after the queue, or with the process if a write
// blocks.
class LogQueue {
 public:
  // The max of lines that wait to be written. The oldest lines make room for new ones. One line may be larger than
  // `bytes`.
  struct Limits {
    size_t lines = 8192;
    size_t bytes = size_t{4} << 20;
  };
  // Writes the whole text, and may block without a limit. False: the text was lost. Called on the queue's thread only.
  using Write = std::function<bool(std::string_view)>;
  // The line that says that `count` lines were dropped since the last such line.
  using DescribeDrops = std::function<std::string(uint64_t count)>;

  LogQueue(Limits limits, Write write, DescribeDrops describe_drops);
  // Lines that are not written yet are lost, except the one that is being written.
  ~LogQueue();
  LogQueue(const LogQueue&) = delete;
  LogQueue& operator=(const LogQueue&) = delete;

  // `line` includes its line end. Does not block.
  void Push(std::string line);
  // Waits until every pushed line is written, for at most `most`. Returns whether they are.
  bool Flush(Duration most);
  // The number of lines that were never written: there was no room, or `write` failed.
  uint64_t dropped() const;

 private:
  struct State;
  const std::shared_ptr<State> state_;  // shared with the thread
};

}  // namespace torchferry::base
