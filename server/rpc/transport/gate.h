// The check that every call of every service passes first: it finds the caller, and whether it may call.
#pragma once

#include <absl/status/status.h>
#include <grpcpp/grpcpp.h>

#include "server/identity/caller.h"
#include "server/rpc/transport/method_rules.h"

namespace torchferry::rpc {

// Outlives the loops. Thread-safe, and never blocks.
class Gate {
 public:
  virtual ~Gate() = default;

  // Checks a call whose metadata has come, before its message is parsed. Sets `caller` in each case. UNAUTHENTICATED:
  // the call has no credentials, or unknown ones. PERMISSION_DENIED: the caller is known, and has none of the rule's
  // roles.
  virtual absl::Status Admit(const grpc::ServerContext& context, const MethodRule& rule, identity::Caller& caller) = 0;
};

// The gate of a server without identities: everybody may ask everything.
class OpenGate final : public Gate {
 public:
  absl::Status Admit(const grpc::ServerContext& context, const MethodRule&, identity::Caller& caller) override {
    caller = identity::Caller::Unrestricted(context.peer());
    return absl::OkStatus();
  }
};

}  // namespace torchferry::rpc
