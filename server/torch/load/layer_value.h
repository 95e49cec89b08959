// What `self.conv1` is while a forward.py is compiled: a module with the layer that its constructor made.
#pragma once

#include <torch/csrc/jit/frontend/resolver.h>
#include <torch/csrc/jit/frontend/sugared_value.h>

#include <memory>
#include <string>
#include <vector>

#include "server/plan/layer_match.h"
#include "server/plan/module_tree.h"
#include "server/torch/load/unrolled_ranges.h"

namespace torchferry::libtorch {

// What the modules of one file share while they are compiled.
struct LayerScope {
  torch::jit::ResolverPtr resolver;  // of names that a constructor may have assigned, `self.act = F.relu`
  const plan::KeyShapes* keys = nullptr;
  UnrollBudget* budget = nullptr;
};

// Modules below it are called by their forward, `self.conv1(x)`; nn.ModuleList and nn.Sequential have items, a length
// and loops, which are unrolled; what the constructor assigned is a constant. `path`: "features.1". `node`: null for a
// module that only keys are known of. `scope` and `node` outlive it. Throws ErrorReport.
std::shared_ptr<torch::jit::SugaredValue> MakeLayerValue(torch::jit::Value* value, const std::string& path,
                                                         const plan::ModuleNode* node, const LayerScope& scope);

// A constructor's number, text or list in the graph of `method`; null for what is none.
std::shared_ptr<torch::jit::SugaredValue> MakeConstant(const plan::PlanValue& value, const torch::jit::SourceRange& loc,
                                                       torch::jit::GraphFunction& method);

}  // namespace torchferry::libtorch
