// SIGTERM and SIGINT: blocked from the start of the process, and taken by main.
//
// A program that links this file has them blocked before the first initialiser of a library runs, and so in every
// thread. A signal that arrives while the process starts waits for WaitForStopSignal. A program that links LibTorch is
// mapped and relocated for 30 ms before that. Therefore torchferry-server begins as a small program (launch.cc) that
// execs the server.
//
// A child process would inherit the blocked signals. The server starts no child process.
#pragma once

#include <csignal>

namespace torchferry::app {

// Tells main that a device was lost. It is not SIGTERM, as the orchestrator may send that at the same time.
inline constexpr int kDeviceLossSignal = SIGUSR2;
// Likewise tells main that a pass or a load does not end.
inline constexpr int kStuckSignal = SIGUSR1;

// Waits for the next of SIGTERM, SIGINT, kDeviceLossSignal and kStuckSignal. Returns at once when one has already
// arrived. Call it from the main thread.
int WaitForStopSignal();

// From now on SIGTERM and SIGINT end the process at once. Call it from the main thread.
void LetStopSignalsEndTheProcess();

}  // namespace torchferry::app
