// Loading and unloading, for both APIs.
#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <string>
#include <vector>

#include "server/registry/registry.h"

namespace torchferry {

// Answers a unary call when the registry has done what `start` asks of it. `encode`, on success, fills the response; it runs before
// the answer, and not when the caller has gone: what it asked for is done all the same.
grpc::ServerUnaryReactor* RunAdminCall(const std::function<void(Registry::Done)>& start, std::function<void()> encode);

// FAILED_PRECONDITION, saying what to do, where the address that was called does not load and unload.
absl::Status CheckAdminIsHere(bool is_here);

// INVALID_ARGUMENT for an empty name.
absl::Status CheckModelName(const std::string& name);

}  // namespace torchferry
