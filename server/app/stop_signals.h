// SIGTERM and SIGINT: held back from the first moment of the process, and taken by main.
//
// A program that uses this file has them blocked before the first initialiser of a library runs, and so in every
// thread. One that comes while the process starts waits for WaitForStopSignal. It is not caught before: while the
// dynamic loader maps and relocates the libraries (30 ms of processor time, most of it LibTorch's), the kernel ends the
// process by it, or drops it for the first process of a container.
//
// A child process would inherit the blocked signals. The server starts none.
#pragma once

#include <csignal>

namespace torchferry::app {

// How the loss of a device reaches main. It is not SIGTERM: the orchestrator's own may come beside it.
inline constexpr int kDeviceLossSignal = SIGUSR2;

// The next of SIGTERM, SIGINT and kDeviceLossSignal; at once when one has come already. From main's thread.
int WaitForStopSignal();

// From now on SIGTERM and SIGINT end the process at once. From main's thread.
void LetStopSignalsEndTheProcess();

}  // namespace torchferry::app
