// A module where it runs.
#pragma once

#include <torch/script.h>

#include "server/torch/graph/code_owner.h"
#include "server/torch/graph/rewrite_target.h"

namespace torchferry::libtorch {

struct PlacedModule {
  torch::jit::Module module;
  Rewritten rewritten;
  CodeOwner code;  // of `module`: it lives as long as that may run
};

// A copy of `module` as `target` wants it: tensors in its attributes, in their lists, dicts and objects too, are there
// and of the type wanted, and its code speaks of that device and those types. `module` stays as it is; tensors that
// need no change are shared with it, and what is one tensor stays one. (Module::to goes through set_data, which not
// every device has.) Throws what LibTorch throws, and then leaves nothing behind.
PlacedModule PlaceModule(const torch::jit::Module& module, const RewriteTarget& target);

}  // namespace torchferry::libtorch
