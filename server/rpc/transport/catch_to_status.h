// Turns an exception where a call is carried into the call's answer, so that the process does not end.
#pragma once

#include <absl/status/status.h>

#include <exception>
#include <new>

namespace torchferry::rpc {

// The result of `run`, which gives a Status or a StatusOr. RESOURCE_EXHAUSTED when it finds no memory, INTERNAL after
// any other exception.
template <typename Run>
auto CatchToStatus(const Run& run) -> decltype(run()) {
  try {
    return run();
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(
        "the server has no memory for this request; send a smaller one, or try again later");
  } catch (const std::exception& error) {
    return absl::InternalError(error.what());
  }
}

}  // namespace torchferry::rpc
