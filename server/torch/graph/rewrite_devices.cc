#include "server/torch/graph/rewrite_devices.h"

#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "server/torch/graph/graph_edit.h"

namespace torchferry::libtorch {
namespace {

using torch::jit::Block;
using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;

// Arguments that must lie in the host's memory wherever the others are: batch sizes and lengths of packed sequences,
// places to split at.
const std::map<std::string, size_t>& HostArguments() {
  static const std::map<std::string, size_t> arguments = {{"aten::_pack_padded_sequence", 1},
                                                          {"aten::_pad_packed_sequence", 1},
                                                          {"aten::lstm", 1},
                                                          {"aten::gru", 1},
                                                          {"aten::rnn_tanh", 1},
                                                          {"aten::rnn_relu", 1},
                                                          {"aten::tensor_split", 1}};
  return arguments;
}

// What a value is one of: torch.device("cuda" if x.is_cuda else "cpu").
void Sources(Value* value, std::vector<Value*>& sources) {
  if (value->node()->kind() != c10::prim::If) return sources.push_back(value);
  for (Block* block : value->node()->blocks()) Sources(block->outputs()[value->offset()], sources);
}

// The device that aten::device `node` makes of the constant text `source`.
std::optional<at::Device> DeviceOf(const Node* node, const Value* source) {
  std::string text = torch::jit::toIValue(source)->toStringRef();
  if (node->inputs().size() == 2) {  // torch.device("cuda", 0)
    const auto index = torch::jit::toIValue(node->input(1));
    if (index.has_value() && index->isInt()) text += ":" + std::to_string(index->toInt());
  }
  return DeviceNamed(text);
}

// Whether the operator makes a tensor of nothing: torch.zeros(3). With a tensor among its arguments
// (torch.zeros_like(x)) the device is that one's.
bool MakesTensor(const Node* node, const c10::FunctionSchema& schema) {
  const auto& arguments = schema.arguments();
  const bool follows = std::ranges::any_of(
      arguments, [](const c10::Argument& argument) { return IsKind(argument.type(), c10::TypeKind::TensorType); });
  return !follows && arguments.size() == node->inputs().size() && !schema.returns().empty() &&
         schema.returns()[0].type()->kind() == c10::TypeKind::TensorType;
}

class Rewriter {
 public:
  Rewriter(Graph& graph, const RewriteTarget& target, Rewritten& rewritten)
      : graph_(graph), target_(target), rewritten_(rewritten) {}

  void InNode(Node* node) {
    if (node->kind() == c10::prim::Constant) return Constant(node);
    if (node->kind() == c10::Symbol::fromQualString("aten::device")) return ByName(node);
    if (node->kind() == c10::Symbol::fromQualString("aten::cuda")) return MoveTo(node);
    if (node->kind() == c10::Symbol::fromQualString("aten::cpu") && target_.Renames(at::kCPU)) return MoveTo(node);
    const c10::FunctionSchema* schema = node->maybeSchema();
    if (schema == nullptr) return;
    HostArgument(node, *schema);
    HostResult(node);
    LeftOut(node, *schema);
  }

 private:
  void Constant(Node* node) {
    if (node->output()->type()->kind() != c10::TypeKind::DeviceObjType || !node->hasAttribute(c10::attr::value) ||
        node->kindOf(c10::attr::value) != torch::jit::AttributeKind::s)
      return;
    if (!target_.Renames(at::Device(node->s(c10::attr::value)))) return;
    node->s_(c10::attr::value, target_.device.str());
    rewritten_.devices += static_cast<int>(node->output()->uses().size());
  }

  // torch.device("cuda:0"), or text where a device is wanted.
  void ByName(Node* node) {
    if (node->inputs().empty() || node->input(0)->type()->kind() != c10::TypeKind::StringType) return;
    std::vector<Value*> sources;
    Sources(node->input(0), sources);
    if (!std::ranges::all_of(sources, [](const Value* source) { return torch::jit::toIValue(source).has_value(); })) {
      return ByVariable(node, sources);
    }
    for (const Value* source : sources) {
      // All of what it may be; one that stays what it is keeps the choice.
      const auto named = DeviceOf(node, source);
      if (!named.has_value() || (*named != target_.device && !target_.Renames(*named))) return;
      if (sources.size() == 1 && !target_.Renames(*named)) return;
    }
    rewritten_.devices += static_cast<int>(node->output()->uses().size());
    node->output()->replaceAllUsesWith(ConstantBefore(node, target_.device));
    node->destroy();
  }

  // torch.device(self.name), which is renamed with the attribute, and torch.device(self.names[0]), seen when it runs.
  void ByVariable(Node* node, const std::vector<Value*>& sources) {
    const bool is_attribute = sources.size() == 1 && sources[0]->node()->kind() == c10::prim::GetAttr;
    if (is_attribute && node->inputs().size() == 1) return NoteAttribute(sources[0]->node(), rewritten_);
    const std::vector<std::string> kept =
        target_.renames_cpu ? std::vector<std::string>{"meta"} : std::vector<std::string>{"meta", "cpu"};
    const torch::jit::WithInsertPoint point(node->next());
    Value* const device = node->output();
    const torch::jit::use_list uses = device->uses();
    Value* const type = graph_.insert(c10::Symbol::fromQualString("prim::type"), {device});
    Value* result = graph_.insertConstant(target_.device);
    for (const std::string& name : kept) {
      result = Choice(graph_, graph_.insert(c10::aten::eq, {type, name}), device, result);
    }
    for (const torch::jit::Use& use : uses) use.user->replaceInput(use.offset, result);
    ++rewritten_.devices;
  }

  // x.cuda() and x.cpu().
  void MoveTo(Node* node) {
    Value* const device = ConstantBefore(node, target_.device);
    const torch::jit::WithInsertPoint point(node);
    Value* const moved = graph_.insert(c10::aten::to, {node->input(0), device});
    moved->setType(node->output()->type());
    node->output()->replaceAllUsesWith(moved);
    node->destroy();
    ++rewritten_.devices;
  }

  // torch.zeros(3): on the CPU, wherever the module is.
  void LeftOut(Node* node, const c10::FunctionSchema& schema) {
    if (!target_.Renames(at::kCPU) || !MakesTensor(node, schema)) return;
    for (size_t i = 0; i < schema.arguments().size(); ++i) {
      if (!IsKind(schema.arguments()[i].type(), c10::TypeKind::DeviceObjType) || !node->input(i)->mustBeNone())
        continue;
      node->replaceInput(i, ConstantBefore(node, target_.device));
      ++rewritten_.devices;
    }
  }

  void HostArgument(Node* node, const c10::FunctionSchema& schema) {
    if (target_.device.is_cpu()) return;
    const auto it = HostArguments().find(schema.name());
    if (it == HostArguments().end() || it->second >= node->inputs().size()) return;
    Value* const value = node->input(it->second);
    // aten::lstm has a form without packed sequences too, whose second argument is a list.
    if (value->type()->kind() != c10::TypeKind::TensorType || schema.arguments()[1].name() == "hx") return;
    const torch::jit::WithInsertPoint point(node);
    Value* const cpu = graph_.insertConstant(at::Device(at::kCPU));
    node->replaceInput(it->second, graph_.insert(c10::aten::to, {value, cpu}));
    ++rewritten_.on_host;
  }

  // The lengths that unpacking gives come on the host. They are on the CPU as all else was; now they are with all else.
  void HostResult(Node* node) {
    if (!target_.Renames(at::kCPU) || node->kind() != c10::Symbol::fromQualString("aten::_pad_packed_sequence")) return;
    Node* const after = node->next();
    Value* const device = ConstantBefore(after, target_.device);
    const torch::jit::WithInsertPoint point(after);
    Value* const moved = graph_.insert(c10::aten::to, {node->output(1), device});
    node->output(1)->replaceAllUsesAfterNodeWith(moved->node(), moved);
  }

  Graph& graph_;
  const RewriteTarget& target_;
  Rewritten& rewritten_;
};

}  // namespace

void RewriteDevices(Graph& graph, const RewriteTarget& target, Rewritten& rewritten) {
  EditNodes(graph, [&](Graph& owner, Node* node) { Rewriter(owner, target, rewritten).InNode(node); });
}

}  // namespace torchferry::libtorch
