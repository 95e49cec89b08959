// grpc.reflection.v1 and v1alpha: they list the services of an address, for clients that were not built for them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "server/rpc/transport/rpc_method.h"

namespace torchferry::rpc {

// Makes one service for each version of the protocol. They list the services `names` and themselves. A stream has one
// request in flight; the others stay unread until it is answered.
std::vector<std::unique_ptr<RpcService>> MakeReflection(std::vector<std::string> names);

}  // namespace torchferry::rpc
