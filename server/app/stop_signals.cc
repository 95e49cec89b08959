#include "server/app/stop_signals.h"

#include <pthread.h>

namespace torchferry::app {
namespace {

sigset_t StopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

sigset_t AwaitedSignals() {
  sigset_t signals = StopSignals();
  sigaddset(&signals, kDeviceLossSignal);
  sigaddset(&signals, kStuckSignal);
  return signals;
}

// Only what libc offers without its own initialiser.
void BlockAwaitedSignals() {
  const sigset_t signals = AwaitedSignals();
  sigprocmask(SIG_BLOCK, &signals, nullptr);
}

// The dynamic loader calls this first: before the initialisers of the libraries, of which LibTorch's take most of the
// time between exec and main, and start threads.
[[gnu::used, gnu::section(".preinit_array")]] void (*block_awaited_signals)() = &BlockAwaitedSignals;

}  // namespace

int WaitForStopSignal() {
  const sigset_t signals = AwaitedSignals();
  int signal = 0;
  sigwait(&signals, &signal);
  return signal;
}

void LetStopSignalsEndTheProcess() {
  const sigset_t signals = StopSignals();
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
}

}  // namespace torchferry::app
