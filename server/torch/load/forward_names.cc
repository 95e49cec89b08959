#include "server/torch/load/forward_names.h"

#include <fmt/format.h>
#include <torch/csrc/jit/frontend/error_report.h>
#include <torch/csrc/jit/frontend/sugared_value.h>
#include <torch/csrc/jit/frontend/tree.h>
#include <torch/csrc/jit/ir/ir.h>

#include <cmath>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "server/torch/device/convert.h"

namespace torchferry::libtorch {
namespace {

using torch::jit::GraphFunction;
using torch::jit::SourceRange;
using torch::jit::SugaredValue;
using torch::jit::Symbol;
using torch::jit::TreeRef;

using SugaredPtr = std::shared_ptr<SugaredValue>;

SugaredPtr Constant(const c10::IValue& value, const SourceRange& loc, GraphFunction& method) {
  return std::make_shared<torch::jit::SimpleValue>(method.graph()->insertConstant(value, loc));
}

std::optional<int64_t> DTypeConstant(const std::string& name) {
  static const std::map<std::string, at::ScalarType> kAliases = {
      {"float", at::kFloat}, {"half", at::kHalf},   {"double", at::kDouble},       {"long", at::kLong},
      {"int", at::kInt},     {"short", at::kShort}, {"cfloat", at::kComplexFloat}, {"cdouble", at::kComplexDouble}};
  if (const auto it = kAliases.find(name); it != kAliases.end()) return static_cast<int64_t>(it->second);
  for (int i = 1; i <= static_cast<int>(tensor::DType::kComplex128); ++i) {
    const auto dtype = static_cast<tensor::DType>(i);
    if ("torch." + name == tensor::TorchName(dtype)) return static_cast<int64_t>(*ToTorch(dtype));
  }
  return std::nullopt;
}

std::optional<double> FloatConstant(const std::string& name) {
  static const std::map<std::string, double> kConstants = {{"pi", M_PI},
                                                           {"e", M_E},
                                                           {"inf", std::numeric_limits<double>::infinity()},
                                                           {"nan", std::numeric_limits<double>::quiet_NaN()}};
  const auto it = kConstants.find(name);
  return it == kConstants.end() ? std::nullopt : std::optional<double>(it->second);
}

SugaredPtr Operator(const std::string& name, const SourceRange& loc, const std::string& spelled) {
  const Symbol symbol = Symbol::fromQualString("aten::" + name);
  if (torch::jit::getAllOperatorsFor(symbol).empty()) {
    throw torch::jit::ErrorReport(loc) << spelled << " is not an ATen operator of this LibTorch";
  }
  return std::make_shared<torch::jit::BuiltinFunction>(symbol, std::nullopt);
}

// Functions of torch.nn.functional whose arguments come in another order than the ATen operator's of the same name:
// taken for it, they would compute something else without a word.
void RefuseOtherOrder(const std::string& name, const SourceRange& loc) {
  static const std::map<std::string, std::string> kInstead = {
      {"batch_norm", "torch.batch_norm(x, weight, bias, running_mean, running_var, False, 0.1, eps, False)"},
      {"instance_norm",
       "torch.instance_norm(x, weight, bias, running_mean, running_var, use_input_stats, 0.1, eps, False)"},
      {"embedding", "torch.embedding(weight, indices)"},
      {"embedding_bag", "torch.embedding_bag(weight, indices, offsets)"}};
  const auto it = kInstead.find(name);
  if (it == kInstead.end()) return;
  throw torch::jit::ErrorReport(loc) << "F." << name
                                     << " takes its arguments in another order than the operator behind it; write "
                                     << it->second;
}

// `torch` and everything below it: torch.nn.functional.relu is torch.relu.
class TorchNamespace final : public SugaredValue {
 public:
  explicit TorchNamespace(std::string path) : path_(std::move(path)) {}
  std::string kind() const override { return "module"; }
  SugaredPtr attr(const SourceRange& loc, GraphFunction& method, const std::string& field) override {
    const bool is_namespace =
        field == "nn" || field == "functional" || field == "special" || field == "linalg" || field == "fft";
    // aten::linalg_norm, aten::special_expm1 and aten::fft_rfft carry their namespace in the name.
    const std::string prefix = path_ == "torch.linalg"    ? "linalg_"
                               : path_ == "torch.special" ? "special_"
                               : path_ == "torch.fft"     ? "fft_"
                                                          : "";
    if (is_namespace && prefix.empty()) return std::make_shared<TorchNamespace>(path_ + "." + field);
    if (prefix.empty()) {
      if (const auto dtype = DTypeConstant(field)) return Constant(*dtype, loc, method);
      if (const auto value = FloatConstant(field)) return Constant(*value, loc, method);
    }
    if (path_ == "torch.nn.functional") RefuseOtherOrder(field, loc);
    return Operator(prefix + field, loc, path_ + "." + field);
  }

 private:
  const std::string path_;
};

class MathNamespace final : public SugaredValue {
 public:
  std::string kind() const override { return "module"; }
  SugaredPtr attr(const SourceRange& loc, GraphFunction& method, const std::string& field) override {
    if (const auto value = FloatConstant(field)) return Constant(*value, loc, method);
    return Operator(field, loc, "math." + field);
  }
};

class ForwardResolver final : public torch::jit::Resolver {
 public:
  explicit ForwardResolver(std::map<std::string, std::string> names) : names_(std::move(names)) {
    names_.emplace("torch", "torch");
    names_.emplace("F", "torch.nn.functional");
    names_.emplace("math", "math");
  }

  SugaredPtr resolveValue(const std::string& name, GraphFunction& method, const SourceRange& loc) override {
    const auto it = names_.find(name);
    if (it == names_.end()) return nullptr;
    SugaredPtr value;
    for (size_t begin = 0; begin <= it->second.size();) {
      const size_t end = std::min(it->second.find('.', begin), it->second.size());
      const std::string part = it->second.substr(begin, end - begin);
      begin = end + 1;
      if (value != nullptr) {
        value = value->attr(loc, method, part);
      } else if (part == "math") {
        value = std::make_shared<MathNamespace>();
      } else {
        value = std::make_shared<TorchNamespace>(part);
      }
    }
    return value;
  }
  c10::TypePtr resolveType(const std::string&, const SourceRange&) override { return nullptr; }

 private:
  std::map<std::string, std::string> names_;
};

c10::ClassTypePtr ChildType(const c10::ClassType& type, const std::string& name) {
  const auto child = type.findAttribute(name);
  return child == nullptr ? nullptr : child->cast<c10::ClassType>();
}

// The class of the module that `tree` names (self, self.a, getattr(self.a, "0")), null when it names none.
const c10::ClassType* ModuleAt(const TreeRef& tree, const c10::ClassType& self) {
  if (tree->kind() == torch::jit::TK_VAR) {
    return torch::jit::Var(tree).name().name() == "self" ? &self : nullptr;
  }
  if (tree->kind() == '.') {
    const torch::jit::Select select(tree);
    const c10::ClassType* base = ModuleAt(select.value().tree(), self);
    return base == nullptr ? nullptr : ChildType(*base, select.selector().name()).get();
  }
  if (tree->kind() == torch::jit::TK_APPLY) {
    const torch::jit::Apply apply(tree);
    const auto inputs = apply.inputs();
    const bool is_getattr = apply.callee().kind() == torch::jit::TK_VAR &&
                            torch::jit::Var(apply.callee()).name().name() == "getattr" && inputs.size() == 2 &&
                            inputs[1].kind() == torch::jit::TK_STRINGLITERAL;
    if (!is_getattr) return nullptr;
    const c10::ClassType* base = ModuleAt(inputs[0].tree(), self);
    return base == nullptr ? nullptr : ChildType(*base, torch::jit::StringLiteral(inputs[1]).text()).get();
  }
  return nullptr;
}

}  // namespace

torch::jit::ResolverPtr MakeForwardResolver(const std::map<std::string, std::string>& names) {
  return std::make_shared<ForwardResolver>(names);
}

TreeRef IndexNumberedChildren(const TreeRef& tree, const c10::ClassType& type) {
  TreeRef mapped = tree->map([&](const TreeRef& child) { return IndexNumberedChildren(child, type); });
  if (mapped->kind() != torch::jit::TK_SUBSCRIPT) return mapped;
  const torch::jit::Subscript subscript(mapped);
  const c10::ClassType* module = ModuleAt(subscript.value().tree(), type);
  const auto indices = subscript.subscript_exprs();
  if (module == nullptr || indices.size() != 1 || indices[0].kind() != torch::jit::TK_CONST) return mapped;
  const std::string index = indices[0].tree()->tree(0)->stringValue();
  if (!module->hasAttribute(index)) {
    throw torch::jit::ErrorReport(subscript.range())
        << "the state_dict has no keys below this module's child \"" << index << "\"";
  }
  using torch::jit::Expr;
  using torch::jit::Ident;
  const SourceRange& range = subscript.range();
  return torch::jit::Apply::create(range, torch::jit::Var::create(range, Ident::create(range, "getattr")),
                                   torch::jit::List<Expr>::create(
                                       range, {subscript.value(), torch::jit::StringLiteral::create(range, index)}),
                                   torch::jit::List<torch::jit::Attribute>::create(range, {}))
      .tree();
}

std::string HintFor(std::string_view message) {
  static const std::vector<std::pair<std::string, std::string>> kHints = {
      {"does not have a field with name",
       "Tensors and modules below `self` are those that the state_dict has keys for"},
      {"has no attribute or method",
       "Tensors and modules below `self` are those that the state_dict has keys for, and a module made from "
       "keys has no forward of its own: call an operator with its tensors, as in "
       "F.linear(x, self.fc.weight, self.fc.bias)"},
      {"is not an ATen operator", "Use an operator of torch.ops.aten, or write it out with others"},
      {"object is not callable",
       "A module made from keys holds tensors alone: call an operator with them, as in "
       "F.linear(x, self.fc.weight, self.fc.bias)"},
      {"found '}' here", "TorchScript takes no comma after the last item of a dict"},
      {"undefined value",
       "Only torch, F (torch.nn.functional), math, Python's built-ins and names defined in the same function are "
       "known"},
  };
  for (const auto& [text, hint] : kHints) {
    if (message.find(text) != std::string::npos) return hint;
  }
  return "";
}

}  // namespace torchferry::libtorch
