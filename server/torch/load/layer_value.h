// The value of `self.conv1` while a forward.py is compiled: a module with the layer that its constructor made.
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

// Shared by the modules of one file while they are compiled.
struct LayerScope {
  torch::jit::ResolverPtr resolver;  // of names that a constructor may have assigned, `self.act = F.relu`
  const plan::KeyShapes* keys = nullptr;
  UnrollBudget* budget = nullptr;
};

// A call of a module below it calls that module's forward: `self.conv1(x)`. Containers (nn.ModuleList, nn.ModuleDict
// and nn.Sequential) have items, a length and loops, which are unrolled. Values that the constructor assigned are
// constants. `path`: "features.1". `node`: null for a module of which only keys are known. `scope` and `node` outlive
// the result. Throws ErrorReport.
std::shared_ptr<torch::jit::SugaredValue> MakeLayerValue(torch::jit::Value* value, const std::string& path,
                                                         const plan::ModuleNode* node, const LayerScope& scope);

// A constructor's number, text, None, list or tuple as a constant in the graph of `method`. Null for other values.
std::shared_ptr<torch::jit::SugaredValue> MakeConstant(const plan::PlanValue& value, const torch::jit::SourceRange& loc,
                                                       torch::jit::GraphFunction& method);

}  // namespace torchferry::libtorch
