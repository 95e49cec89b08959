// What the `forward` of a TorchScript archive takes.
#pragma once

#include <string>
#include <vector>

#include "server/checkpoint/torchscript.h"

namespace torchferry::client {

struct ForwardArgument {
  std::string name;
  std::string type;  // "Tensor", "int", "Optional[Tensor]"
};

// The arguments of the root module's `forward` but self, as the archive's code declares them; empty when that is not
// found.
std::vector<ForwardArgument> ForwardArguments(const checkpoint::TorchScriptInfo& script);

}  // namespace torchferry::client
