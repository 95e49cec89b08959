// Ctrl-C as a request to end early, which does not end the process.
#pragma once

#include <csignal>

namespace torchferry::client {

// While it lives, the first SIGINT is only noted; the second one ends the process as usual. Only one may live at a
// time.
class InterruptScope {
 public:
  InterruptScope();
  ~InterruptScope();
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;

  // Any thread may call it.
  bool IsInterrupted() const;

 private:
  struct sigaction before_ {};
};

}  // namespace torchferry::client
