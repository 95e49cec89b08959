// Ctrl-C as a wish to end early, and not as the process's end.
#pragma once

#include <csignal>

namespace torchferry::client {

// While it lives the first SIGINT is noted and nothing else; the second one ends the process as usual. One at a time.
class InterruptScope {
 public:
  InterruptScope();
  ~InterruptScope();
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;

  // Any thread.
  bool IsInterrupted() const;

 private:
  struct sigaction before_ {};
};

}  // namespace torchferry::client
