// Messages that the libraries below the server write.
#pragma once

namespace torchferry::app {

// From now on messages of protobuf, gRPC and LibTorch are lines of the log (base/library_log.h). Call it once, before
// there are other threads.
void TakeLibraryLogs();

}  // namespace torchferry::app
