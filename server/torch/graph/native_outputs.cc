#include "server/torch/graph/native_outputs.h"

#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/inliner.h>

#include <algorithm>
#include <set>
#include <unordered_map>

#include "server/torch/device/convert.h"
#include "server/torch/graph/reachable_graph.h"

namespace torchferry::libtorch {
namespace {

using torch::jit::Block;
using torch::jit::Node;
using torch::jit::Value;

// Operators whose result has the type of their first argument, whatever the others are.
bool FollowsFirst(const Node* node) {
  static const std::set<std::string> names = {"aten::batch_norm",    "aten::layer_norm",  "aten::group_norm",
                                              "aten::instance_norm", "aten::masked_fill", "aten::index_put",
                                              "aten::scatter",       "aten::index_copy",  "aten::copy"};
  const std::string name = node->kind().toQualString();
  return names.contains(name) || name.ends_with("_");
}

bool TakesOthersType(const Node* node) {
  return node->kind() == c10::aten::type_as ||
         (node->kind() == c10::aten::to && node->inputs().size() > 1 && IsTensor(node->input(1)));
}

class Types {
 public:
  Types(const torch::jit::Module& module, const ModelSignature& signature, at::ScalarType type)
      : module_(module), signature_(signature), type_(type) {}

  // Whether the value, or a tensor in it, is of the type.
  bool Is(Value* value) {
    const auto [entry, is_new] = known_.emplace(value, false);  // false: a loop's own value, while it is looked at
    if (!is_new) return entry->second;
    const bool is = Find(value);
    known_[value] = is;
    return is;
  }

 private:
  bool Find(Value* value) {
    Node* node = value->node();
    if (node->kind() == c10::prim::Param) return OfParameter(value);
    if (node->kind() == c10::prim::GetAttr) return OfAttribute(value);
    if (node->kind() == c10::prim::If || node->kind() == c10::prim::Loop) return OfBlocks(node, value->offset());
    if (node->kind() == c10::prim::Constant) return OfConstant(value);
    if (Value* const argument = TypeArgument(node)) return OfTypeArgument(node, argument);
    if (TakesOthersType(node)) return Is(node->input(1));
    if (FollowsFirst(node)) return !node->inputs().empty() && Is(node->input(0));
    return std::ranges::any_of(node->inputs(), [this](Value* input) { return MayHoldTensor(input) && Is(input); });
  }

  bool OfParameter(Value* value) const {
    const auto& inputs = value->owningGraph()->inputs();
    for (size_t i = 1; i < inputs.size(); ++i) {
      if (inputs[i] != value) continue;
      for (size_t k = 0; k < signature_.inputs.size(); ++k) {
        if (signature_.inputs[k].argument == i - 1) return ToTorch(signature_.signature.inputs[k].dtype) == type_;
      }
    }
    return false;
  }

  bool OfAttribute(const Value* value) const {
    std::vector<std::string> path;
    for (const Node* node = value->node(); node->kind() == c10::prim::GetAttr; node = node->input()->node()) {
      path.push_back(node->s(c10::attr::name));
    }
    c10::IValue found = module_._ivalue();
    for (auto name = path.rbegin(); name != path.rend(); ++name) {
      if (!found.isObject() || !found.toObjectRef().type()->findAttributeSlot(*name)) return false;
      found = found.toObjectRef().getAttr(*name);
    }
    return found.isTensor() && found.toTensor().defined() && found.toTensor().scalar_type() == type_;
  }

  bool OfBlocks(Node* node, size_t output) {
    // A loop's block begins with its condition.
    const size_t first = node->kind() == c10::prim::Loop ? 1 : 0;
    return std::ranges::any_of(node->blocks(), [&](Block* block) { return Is(block->outputs()[output + first]); });
  }

  bool OfConstant(const Value* value) const {
    const auto constant = torch::jit::toIValue(value);
    // A number changes no other tensor's type.
    return constant.has_value() && constant->isTensor() && constant->toTensor().dim() > 0 &&
           constant->toTensor().scalar_type() == type_;
  }

  // The argument that says of which type the result is, where it decides: one that is given, or one that is left out
  // where no tensor decides.
  static Value* TypeArgument(Node* node) {
    const c10::FunctionSchema* schema = node->maybeSchema();
    if (schema == nullptr || schema->arguments().size() != node->inputs().size()) return nullptr;
    Value* found = nullptr;
    bool takes_tensor = false;
    for (size_t i = 0; i < schema->arguments().size(); ++i) {
      Value* const input = node->inputs()[i];
      takes_tensor |= IsTensor(input) && !input->mustBeNone();
      c10::TypePtr type = schema->arguments()[i].real_type();
      if (const auto optional = type->cast<c10::OptionalType>()) type = optional->getElementType();
      if (type->kind() == c10::TypeKind::ScalarTypeType) found = input;
    }
    return found != nullptr && found->mustBeNone() && takes_tensor ? nullptr : found;
  }

  bool OfTypeArgument(Node* node, Value* argument) {
    if (argument->mustBeNone()) return type_ == at::kFloat;  // torch.zeros(3)
    if (argument->node()->kind() == c10::prim::dtype) return Is(argument->node()->input());
    const auto type = torch::jit::toIValue(argument);
    if (type.has_value() && type->isInt()) return static_cast<at::ScalarType>(type->toInt()) == type_;
    return std::ranges::any_of(node->inputs(), [this](Value* input) { return IsTensor(input) && Is(input); });
  }

  static bool MayHoldTensor(const Value* value) {
    const c10::TypeKind kind = value->type()->kind();
    return kind != c10::TypeKind::IntType && kind != c10::TypeKind::FloatType && kind != c10::TypeKind::BoolType &&
           kind != c10::TypeKind::StringType && kind != c10::TypeKind::DeviceObjType && kind != c10::TypeKind::NoneType;
  }

  const torch::jit::Module& module_;
  const ModelSignature& signature_;
  const at::ScalarType type_;
  std::unordered_map<Value*, bool> known_;
};

// The outputs one by one; a dict's values.
std::vector<Value*> Outputs(Value* returned) {
  Node* node = returned->node();
  std::vector<Value*> outputs;
  if (node->kind() == c10::prim::TupleConstruct || node->kind() == c10::prim::ListConstruct) {
    outputs.assign(node->inputs().begin(), node->inputs().end());
  } else if (node->kind() == c10::prim::DictConstruct) {
    for (size_t i = 1; i < node->inputs().size(); i += 2) outputs.push_back(node->inputs()[i]);
  } else {
    outputs.push_back(returned);
  }
  return outputs;
}

}  // namespace

std::vector<bool> NativeOutputs(const torch::jit::Module& module, const ModelSignature& signature,
                                at::ScalarType type) {
  const auto graph = module.get_method("forward").graph()->copy();
  torch::jit::Inline(*graph);
  Types types(module, signature, type);
  std::vector<bool> native;
  for (Value* output : Outputs(graph->outputs().at(0))) native.push_back(types.Is(output));
  return native;
}

}  // namespace torchferry::libtorch
