// Places a module where it runs.
#pragma once

#include <torch/script.h>

#include "server/torch/graph/code_owner.h"
#include "server/torch/graph/rewrite_target.h"

namespace torchferry::libtorch {

struct PlacedModule {
  torch::jit::Module module;
  Rewritten rewritten;
  CodeOwner code;  // owns the code of `module`, and lives as long as that may run
};

// A copy of `module` for `target`. Tensors in its attributes, lists, dicts and objects are on the target's device and
// of its types. Its code names that device and those types. `module` stays as it is. The copy shares tensors that need
// no change with it, and one tensor stays one. (Module::to goes through set_data, which not every device has.) Throws
// what LibTorch throws, and then leaves nothing behind.
PlacedModule PlaceModule(const torch::jit::Module& module, const RewriteTarget& target);

}  // namespace torchferry::libtorch
