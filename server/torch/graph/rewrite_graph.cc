#include "server/torch/graph/rewrite_graph.h"

#include "server/torch/graph/copy_values.h"
#include "server/torch/graph/graph_edit.h"
#include "server/torch/graph/rewrite_devices.h"
#include "server/torch/graph/rewrite_dtypes.h"

namespace torchferry::libtorch {
namespace {

using torch::jit::AttributeKind;
using torch::jit::Node;

// Tensors and devices in a list, tuple or dict.
void RewriteContainer(Node* node, const RewriteTarget& target, Rewritten& rewritten) {
  int tensors = 0;
  int devices = 0;
  ValueCopier copier([&](const c10::IValue& value) -> c10::IValue {
    if (value.isDevice() && target.Renames(value.toDevice())) {
      ++devices;
      return target.device;
    }
    if (!value.isTensor() || !Moves(value.toTensor(), target)) return value;
    ++tensors;
    return target.keeps_tensors ? value : MoveTensor(value.toTensor(), target);
  });
  const c10::IValue copy = copier.Copy(node->ival(c10::attr::value));
  if (tensors + devices == 0) return;
  node->ival_(c10::attr::value, copy);
  rewritten.tensors += tensors;
  rewritten.devices += devices;
}

void RewriteConstant(Node* node, const RewriteTarget& target, Rewritten& rewritten) {
  if (node->kind() != c10::prim::Constant || !node->hasAttribute(c10::attr::value)) return;
  const AttributeKind kind = node->kindOf(c10::attr::value);
  if (kind == AttributeKind::t) {
    if (!Moves(node->t(c10::attr::value), target)) return;
    if (!target.keeps_tensors) node->t_(c10::attr::value, MoveTensor(node->t(c10::attr::value), target));
    ++rewritten.tensors;
  } else if (kind == AttributeKind::ival) {
    RewriteContainer(node, target, rewritten);
  }
}

}  // namespace

void RewriteGraph(torch::jit::Graph& graph, const RewriteTarget& target, Rewritten& rewritten) {
  EditNodes(graph, [&](torch::jit::Graph&, Node* node) { RewriteConstant(node, target, rewritten); });
  RewriteDevices(graph, target, rewritten);
  RewriteDtypes(graph, target, rewritten);
}

}  // namespace torchferry::libtorch
