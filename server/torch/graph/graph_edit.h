// Small edits of a graph, from which the rewriting passes are built.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <functional>

#include "server/torch/graph/rewrite_target.h"

namespace torchferry::libtorch {

// Whether `type`, or the element of an Optional `type`, is of this kind.
bool IsKind(const c10::TypePtr& type, c10::TypeKind kind);

// Calls `edit` with each node that exists now and the graph that owns it. Nested blocks come first, and the graphs that
// forks run, with their calls inlined. `edit` may destroy its node. It may insert other nodes beside it, which are not
// visited.
void EditNodes(torch::jit::Graph& graph, const std::function<void(torch::jit::Graph&, torch::jit::Node*)>& edit);

// A constant in front of `node`.
torch::jit::Value* ConstantBefore(torch::jit::Node* node, const c10::IValue& value);

// `then` if `condition`, else `otherwise`, where the graph's insert point is.
torch::jit::Value* Choice(torch::jit::Graph& graph, torch::jit::Value* condition, torch::jit::Value* then,
                          torch::jit::Value* otherwise);

// Remembers the attribute that the prim::GetAttr `node` reads.
void NoteAttribute(const torch::jit::Node* node, Rewritten& rewritten);

}  // namespace torchferry::libtorch
