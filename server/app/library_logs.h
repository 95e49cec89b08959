// What the libraries below the server write about themselves.
#pragma once

namespace torchferry::app {

// From now on messages of protobuf, gRPC and LibTorch are lines of the log (base/library_log.h). Once, before there are
// other threads.
void TakeLibraryLogs();

}  // namespace torchferry::app
