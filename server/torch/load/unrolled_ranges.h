// Loops over numbers that choose modules: for i in range(self.depth): x = self.layers[i](x).
#pragma once

#include <torch/csrc/jit/frontend/sugared_value.h>
#include <torch/csrc/jit/frontend/tree_views.h>

#include <memory>
#include <optional>

#include "server/plan/module_tree.h"

namespace torchferry::libtorch {

// The name that `range` gets where its loop is to be unrolled: no Python identifier begins with "$".
inline constexpr char kUnrolledRange[] = "$range";

// Where the body of a loop over `range(…)` indexes a module with the loop's variable, `range` gets that name.
// Everywhere, len(self.layers) is replaced by its number. A loop's targets, `for i, layer in`, become one tuple, which
// LibTorch's unrolled loops need. `node` is that of the module whose method `tree` is. Source positions stay.
torch::jit::TreeRef UnrollRanges(const torch::jit::TreeRef& tree, const plan::ModuleNode& node);

// The cost of unrolled loops in all methods that are compiled together.
struct UnrollBudget {
  size_t method_tokens = 0;  // of the methods that are being compiled
  size_t spent = 0;

  // Adds a loop of `turns`. Throws ErrorReport where all loops together cost more than layer_limits.h allows.
  void Spend(size_t turns, const torch::jit::SourceRange& loc);
};

// The value of that name. Called with numbers that are known while the method is compiled, it gives the numbers of the
// range one by one. `budget` outlives it.
std::shared_ptr<torch::jit::SugaredValue> MakeUnrolledRange(UnrollBudget& budget);

// The number that `value` has in every run, where it is made of constants.
std::optional<int64_t> StaticInt(const torch::jit::Value* value, size_t depth = 0);

}  // namespace torchferry::libtorch
