// Small edits of a graph, of which the passes that rewrite one are made.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <functional>

#include "server/torch/graph/rewrite_target.h"

namespace torchferry::libtorch {

// `type`, or what it is an Optional of, is of this kind.
bool IsKind(const c10::TypePtr& type, c10::TypeKind kind);

// Calls `edit` with each node that is there now and the graph that owns it: nested blocks first, and what forks run,
// with all that it calls inlined. `edit` may destroy its node, and insert others beside it, which are not visited.
void EditNodes(torch::jit::Graph& graph, const std::function<void(torch::jit::Graph&, torch::jit::Node*)>& edit);

// A constant in front of `node`.
torch::jit::Value* ConstantBefore(torch::jit::Node* node, const c10::IValue& value);

// `then` if `condition`, else `otherwise`, where the graph's insert point is.
torch::jit::Value* Choice(torch::jit::Graph& graph, torch::jit::Value* condition, torch::jit::Value* then,
                          torch::jit::Value* otherwise);

// Remembers the attribute that the prim::GetAttr `node` reads.
void NoteAttribute(const torch::jit::Node* node, Rewritten& rewritten);

}  // namespace torchferry::libtorch
