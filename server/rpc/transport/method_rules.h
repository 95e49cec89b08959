// The roles that may call each method: one row for each method of each service.
#pragma once

#include <span>
#include <string_view>

#include "server/identity/caller.h"

namespace torchferry::rpc {

struct MethodRule {
  std::string_view method;  // "torchferry.v1.InferenceService.Predict"
  identity::Roles any_of;   // one of these is enough
  bool is_probe = false;    // health: it needs no identity, unless the server is set to ask for one
};

std::span<const MethodRule> MethodRules();

// The row of a method. A method without a row gets a rule that admits nobody where there are identities.
const MethodRule& RuleOf(std::string_view method);

}  // namespace torchferry::rpc
