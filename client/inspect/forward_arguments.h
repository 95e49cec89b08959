// The arguments of a TorchScript archive's `forward`.
#pragma once

#include <string>
#include <vector>

#include "server/checkpoint/torchscript.h"

namespace torchferry::client {

struct ForwardArgument {
  std::string name;
  std::string type;  // "Tensor", "int", "Optional[Tensor]"
};

// The arguments of the root module's `forward`, without self, as the archive's code declares them. Empty when the code
// does not have that function.
std::vector<ForwardArgument> ForwardArguments(const checkpoint::TorchScriptInfo& script);

}  // namespace torchferry::client
