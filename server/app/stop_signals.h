// SIGTERM and SIGINT: held back from the first moment of the process, and taken by main.
//
// A program that links this file has them blocked before the first initialiser of a library runs, and so in every
// thread. One that comes while the process starts waits for WaitForStopSignal. What links LibTorch is mapped and
// relocated for 30 ms before that, so torchferry-server begins as a small program (launch.cc) that execs the server.
//
// A child process would inherit the blocked signals. The server starts none.
#pragma once

#include <csignal>

namespace torchferry::app {

// How the loss of a device reaches main. It is not SIGTERM: the orchestrator's own may come beside it.
inline constexpr int kDeviceLossSignal = SIGUSR2;
// Likewise that something does not end.
inline constexpr int kStuckSignal = SIGUSR1;

// The next of SIGTERM, SIGINT, kDeviceLossSignal and kStuckSignal; at once when one has come already. From main's
// thread.
int WaitForStopSignal();

// From now on SIGTERM and SIGINT end the process at once. From main's thread.
void LetStopSignalsEndTheProcess();

}  // namespace torchferry::app
