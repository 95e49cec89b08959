#include "server/torch/graph/rewrite_graph.h"

#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/inliner.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "server/torch/graph/copy_values.h"

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

bool IsKind(const c10::TypePtr& type, c10::TypeKind kind) {
  if (type->kind() == kind) return true;
  const auto optional = type->cast<c10::OptionalType>();
  return optional != nullptr && optional->getElementType()->kind() == kind;
}

class Rewrite {
 public:
  Rewrite(Graph& graph, const RewriteTarget& target, Rewritten& rewritten)
      : graph_(graph), target_(target), rewritten_(rewritten) {}

  void Run() { InBlock(graph_.block()); }

 private:
  void InBlock(Block* block) {
    for (auto it = block->nodes().begin(); it != block->nodes().end();) {
      Node* node = *it++;  // first, as `node` may go away
      for (Block* nested : node->blocks()) InBlock(nested);
      if (node->hasAttribute(c10::attr::Subgraph) &&
          node->kindOf(c10::attr::Subgraph) == torch::jit::AttributeKind::g) {
        torch::jit::Inline(*node->g(c10::attr::Subgraph));
        RewriteGraph(*node->g(c10::attr::Subgraph), target_, rewritten_);
      }
      InNode(node);
    }
  }

  void InNode(Node* node) {
    if (node->kind() == c10::prim::Constant) return Constant(node);
    if (node->kind() == c10::Symbol::fromQualString("aten::device")) return DeviceByName(node);
    if (node->kind() == c10::Symbol::fromQualString("aten::cuda")) return MoveTo(node);
    if (node->kind() == c10::Symbol::fromQualString("aten::cpu") && target_.Renames(at::kCPU)) return MoveTo(node);
    const c10::FunctionSchema* schema = node->maybeSchema();
    if (schema == nullptr) return;
    HostArgument(node, *schema);
    HostResult(node);
    DeviceLeftOut(node, *schema);
    Dtypes(node, *schema);
  }

  void Constant(Node* node) {
    if (!node->hasAttribute(c10::attr::value)) return;
    const auto kind = node->kindOf(c10::attr::value);
    if (node->output()->type()->kind() == c10::TypeKind::DeviceObjType && kind == torch::jit::AttributeKind::s) {
      if (!target_.Renames(at::Device(node->s(c10::attr::value)))) return;
      node->s_(c10::attr::value, target_.device.str());
      rewritten_.devices += static_cast<int>(node->output()->uses().size());
    } else if (kind == torch::jit::AttributeKind::t) {
      if (!Moves(node->t(c10::attr::value), target_)) return;
      if (!target_.keeps_tensors) node->t_(c10::attr::value, MoveTensor(node->t(c10::attr::value), target_));
      ++rewritten_.tensors;
    } else if (kind == torch::jit::AttributeKind::ival) {
      Values(node);
    }
  }

  // Tensors and devices in a list, tuple or dict.
  void Values(Node* node) {
    int tensors = 0;
    int devices = 0;
    ValueCopier copier([&](const c10::IValue& value) -> c10::IValue {
      if (value.isDevice() && target_.Renames(value.toDevice())) {
        ++devices;
        return target_.device;
      }
      if (!value.isTensor() || !Moves(value.toTensor(), target_)) return value;
      ++tensors;
      return target_.keeps_tensors ? value : MoveTensor(value.toTensor(), target_);
    });
    const c10::IValue copy = copier.Copy(node->ival(c10::attr::value));
    if (tensors + devices == 0) return;
    node->ival_(c10::attr::value, copy);
    rewritten_.tensors += tensors;
    rewritten_.devices += devices;
  }

  // torch.device("cuda:0"), or text where a device is wanted.
  void DeviceByName(Node* node) {
    if (node->inputs().empty() || node->input(0)->type()->kind() != c10::TypeKind::StringType) return;
    std::vector<Value*> sources;
    Sources(node->input(0), sources);
    if (!std::ranges::all_of(sources, [](const Value* source) { return torch::jit::toIValue(source).has_value(); })) {
      return DeviceByVariable(node, sources);
    }
    for (const Value* source : sources) {
      std::string text = torch::jit::toIValue(source)->toStringRef();
      if (node->inputs().size() == 2) {  // torch.device("cuda", 0)
        const auto index = torch::jit::toIValue(node->input(1));
        if (index.has_value() && index->isInt()) text += ":" + std::to_string(index->toInt());
      }
      // All of what it may be; one that stays what it is keeps the choice.
      const auto named = DeviceNamed(text);
      if (!named.has_value() || (*named != target_.device && !target_.Renames(*named))) return;
      if (sources.size() == 1 && !target_.Renames(*named)) return;
    }
    rewritten_.devices += static_cast<int>(node->output()->uses().size());
    node->output()->replaceAllUsesWith(TargetBefore(node));
    node->destroy();
  }

  // torch.device(self.name), which is renamed with the attribute, and torch.device(self.names[0]), seen when it runs.
  void DeviceByVariable(Node* node, const std::vector<Value*>& sources) {
    const bool is_attribute = sources.size() == 1 && sources[0]->node()->kind() == c10::prim::GetAttr;
    if (is_attribute && node->inputs().size() == 1) return NoteAttribute(sources[0]->node());
    const std::vector<std::string> kept =
        target_.renames_cpu ? std::vector<std::string>{"meta"} : std::vector<std::string>{"meta", "cpu"};
    Node* const after = node->next();
    const torch::jit::WithInsertPoint point(after);
    Value* const device = node->output();
    const torch::jit::use_list uses = device->uses();
    Value* const type = graph_.insert(c10::Symbol::fromQualString("prim::type"), {device});
    Value* result = graph_.insertConstant(target_.device);
    for (const std::string& name : kept) result = Choice(graph_.insert(c10::aten::eq, {type, name}), device, result);
    for (const torch::jit::Use& use : uses) use.user->replaceInput(use.offset, result);
    ++rewritten_.devices;
  }

  // `then` if `condition`, else `otherwise`, where the graph's insert point is.
  Value* Choice(Value* condition, Value* then, Value* otherwise) {
    Node* const choice = graph_.insertNode(graph_.create(c10::prim::If, {condition}));
    choice->addBlock()->registerOutput(then);
    choice->addBlock()->registerOutput(otherwise);
    return choice->output()->setType(otherwise->type());
  }

  // What a value is one of: torch.device("cuda" if x.is_cuda else "cpu").
  static void Sources(Value* value, std::vector<Value*>& sources) {
    if (value->node()->kind() != c10::prim::If) return sources.push_back(value);
    for (Block* block : value->node()->blocks()) Sources(block->outputs()[value->offset()], sources);
  }

  void NoteAttribute(const Node* node) {
    rewritten_.attributes.emplace(node->input()->type().get(), node->s(c10::attr::name));
  }

  // x.cuda() and x.cpu().
  void MoveTo(Node* node) {
    Value* const device = TargetBefore(node);
    const torch::jit::WithInsertPoint point(node);
    Value* const moved = graph_.insert(c10::aten::to, {node->input(0), device});
    moved->setType(node->output()->type());
    node->output()->replaceAllUsesWith(moved);
    node->destroy();
    ++rewritten_.devices;
  }

  // torch.zeros(3): on the CPU, wherever the module is.
  void DeviceLeftOut(Node* node, const c10::FunctionSchema& schema) {
    if (!target_.Renames(at::kCPU)) return;
    const auto& arguments = schema.arguments();
    // With a tensor among them (torch.zeros_like(x)) it is that one's device.
    const bool follows = std::any_of(arguments.begin(), arguments.end(), [](const c10::Argument& argument) {
      return IsKind(argument.type(), c10::TypeKind::TensorType);
    });
    if (follows || arguments.size() != node->inputs().size() || schema.returns().empty() ||
        schema.returns()[0].type()->kind() != c10::TypeKind::TensorType) {
      return;
    }
    for (size_t i = 0; i < arguments.size(); ++i) {
      if (!IsKind(arguments[i].type(), c10::TypeKind::DeviceObjType) || !node->input(i)->mustBeNone()) continue;
      node->replaceInput(i, TargetBefore(node));
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
    Value* const device = TargetBefore(after);
    const torch::jit::WithInsertPoint point(after);
    Value* const moved = graph_.insert(c10::aten::to, {node->output(1), device});
    node->output(1)->replaceAllUsesAfterNodeWith(moved->node(), moved);
  }

  void Dtypes(Node* node, const c10::FunctionSchema& schema) {
    if (target_.from.empty() || schema.arguments().size() != node->inputs().size()) return;
    const bool compares = ComparesDtypes(node);
    for (size_t i = 0; i < schema.arguments().size(); ++i) {
      if (compares || IsKind(schema.arguments()[i].real_type(), c10::TypeKind::ScalarTypeType)) Dtype(node, i);
      if (IsKind(schema.arguments()[i].type(), c10::TypeKind::NumberType)) Limit(node, i);
    }
  }

  // x.dtype == torch.float16, x.dtype in [torch.float16, torch.bfloat16]
  static bool ComparesDtypes(const Node* node) {
    if (node->kind() != c10::aten::eq && node->kind() != c10::aten::ne && node->kind() != c10::aten::__contains__)
      return false;
    return std::ranges::any_of(node->inputs(),
                               [](const Value* input) { return input->node()->kind() == c10::prim::dtype; });
  }

  // A constant, or an element of a constant tuple.
  static std::optional<c10::IValue> ConstantOf(Value* value) {
    if (value->node()->kind() != c10::prim::TupleUnpack) return torch::jit::toIValue(value);
    const auto tuple = torch::jit::toIValue(value->node()->input());
    if (!tuple.has_value() || !tuple->isTuple()) return std::nullopt;
    return tuple->toTupleRef().elements()[value->offset()];
  }

  // An element type, from wherever it comes: a constant, an attribute, a branch, a tuple or a list.
  void Dtype(Node* node, size_t input) {
    Node* const source = node->input(input)->node();
    const size_t offset = node->input(input)->offset();
    if (node->input(input)->mustBeNone()) return;
    if (source->kind() == c10::prim::GetAttr) return NoteAttribute(source);
    if (source->kind() == c10::prim::If) {
      for (Block* block : source->blocks()) Dtype(block->return_node(), offset);
    } else if (source->kind() == c10::prim::TupleUnpack &&
               source->input()->node()->kind() == c10::prim::TupleConstruct) {
      Dtype(source->input()->node(), offset);
    } else if (source->kind() == c10::prim::ListConstruct) {
      for (size_t i = 0; i < source->inputs().size(); ++i) Dtype(source, i);
    }
    const auto type = ConstantOf(node->input(input));
    if (!type.has_value()) return DtypeByVariable(node, input);
    if (type->isInt() && target_.Casts(static_cast<at::ScalarType>(type->toInt()))) {
      Replace(node, input, static_cast<int64_t>(target_.to));
    } else if (type->isIntList()) {
      if (const auto types = Cast(type->toIntVector(), target_)) Replace(node, input, *types);
    }
  }

  // x.to(self.types[0]): seen when it runs.
  void DtypeByVariable(Node* node, size_t input) {
    Value* const given = node->input(input);
    const Node* source = given->node();
    // That of another tensor is what that one computes in.
    if (given->type()->kind() != c10::TypeKind::IntType || source->kind() == c10::prim::dtype ||
        source->kind() == c10::prim::If)
      return;
    const torch::jit::WithInsertPoint point(node);
    Value* const to = graph_.insertConstant(static_cast<int64_t>(target_.to));
    Value* result = given;
    for (const at::ScalarType from : target_.from) {
      if (from != target_.to)
        result = Choice(graph_.insert(c10::aten::eq, {given, static_cast<int64_t>(from)}), to, result);
    }
    node->replaceInput(input, result);
    ++rewritten_.dtypes;
  }

  // The largest number of the type that is cast, torch.finfo(x.dtype).min say, is none of a smaller type.
  void Limit(Node* node, size_t input) {
    if (!target_.Casts(at::kFloat)) return;
    const auto constant = torch::jit::toIValue(node->input(input));
    if (!constant.has_value() || !constant->isDouble()) return;
    const double number = constant->toDouble();
    if (std::abs(number) != double{std::numeric_limits<float>::max()}) return;
    const double largest = target_.to == at::kHalf ? double{std::numeric_limits<c10::Half>::max()}
                                                   : double{std::numeric_limits<c10::BFloat16>::max()};
    Replace(node, input, std::copysign(largest, number));
  }

  template <typename T>
  void Replace(Node* node, size_t input, T value) {
    const torch::jit::WithInsertPoint point(node);
    node->replaceInput(input, graph_.insertConstant(value));
    ++rewritten_.dtypes;
  }

  Value* TargetBefore(Node* node) {
    const torch::jit::WithInsertPoint point(node);
    return graph_.insertConstant(target_.device);
  }

  Graph& graph_;
  const RewriteTarget& target_;
  Rewritten& rewritten_;
};

}  // namespace

bool RewriteTarget::Renames(const at::Device& named) const {
  const bool is_there = named.type() == device.type() && (device.is_cpu() || named.index() == device.index());
  return !is_there && (!named.is_cpu() || renames_cpu) && !named.is_meta();
}

std::optional<std::vector<int64_t>> Cast(std::vector<int64_t> types, const RewriteTarget& target) {
  const std::vector<int64_t> before = types;
  for (int64_t& one : types) {
    if (target.Casts(static_cast<at::ScalarType>(one))) one = static_cast<int64_t>(target.to);
  }
  return types == before ? std::nullopt : std::optional(std::move(types));
}

bool RewriteTarget::Casts(at::ScalarType type) const {
  return type != to && std::ranges::find(from, type) != from.end();
}

std::optional<at::Device> DeviceNamed(const std::string& text) {
  try {
    return at::Device(text);
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

bool Moves(const at::Tensor& tensor, const RewriteTarget& target) {
  return tensor.defined() && (tensor.device() != target.device || target.Casts(tensor.scalar_type()));
}

at::Tensor MoveTensor(const at::Tensor& tensor, const RewriteTarget& target) {
  if (!Moves(tensor, target)) return tensor;
  const at::ScalarType type = target.Casts(tensor.scalar_type()) ? target.to : tensor.scalar_type();
  // A leaf again, of which a model may ask the gradient.
  return tensor.detach().to(target.device, type).set_requires_grad(tensor.requires_grad());
}

void RewriteGraph(Graph& graph, const RewriteTarget& target, Rewritten& rewritten) {
  Rewrite(graph, target, rewritten).Run();
}

}  // namespace torchferry::libtorch
