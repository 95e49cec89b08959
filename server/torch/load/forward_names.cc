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

#include "server/plan/model_operators.h"
#include "server/torch/load/python_methods.h"
#include "server/torch/load/python_operator.h"
#include "server/torch/load/python_prelude.h"
#include "server/torch/load/python_signatures.h"

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

// Layouts and memory formats are numbers in TorchScript.
std::optional<int64_t> FormatConstant(const std::string& name) {
  static const std::map<std::string, int64_t> kConstants = {
      {"strided", static_cast<int64_t>(at::kStrided)},
      {"contiguous_format", static_cast<int64_t>(at::MemoryFormat::Contiguous)},
      {"preserve_format", static_cast<int64_t>(at::MemoryFormat::Preserve)},
      {"channels_last", static_cast<int64_t>(at::MemoryFormat::ChannelsLast)},
      {"channels_last_3d", static_cast<int64_t>(at::MemoryFormat::ChannelsLast3d)}};
  const auto it = kConstants.find(name);
  return it == kConstants.end() ? std::nullopt : std::optional<int64_t>(it->second);
}

std::optional<double> FloatConstant(const std::string& name) {
  static const std::map<std::string, double> kConstants = {{"pi", M_PI},
                                                           {"e", M_E},
                                                           {"inf", std::numeric_limits<double>::infinity()},
                                                           {"nan", std::numeric_limits<double>::quiet_NaN()}};
  const auto it = kConstants.find(name);
  return it == kConstants.end() ? std::nullopt : std::optional<double>(it->second);
}

SugaredPtr Operator(const std::string& name, const SourceRange& loc, const std::string& spelled,
                    const PythonSignature* signature = nullptr) {
  const Symbol symbol = Symbol::fromQualString(name);
  if (torch::jit::getAllOperatorsFor(symbol).empty()) {
    throw torch::jit::ErrorReport(loc) << spelled << " is not an ATen operator of this LibTorch";
  }
  return MakePythonOperator(symbol, spelled, signature);
}

// torch.ops, torch.ops.aten: what is below is an operator by its own name and with its own arguments.
class OperatorNamespace final : public SugaredValue {
 public:
  explicit OperatorNamespace(std::string ns) : ns_(std::move(ns)) {}
  std::string kind() const override { return "module"; }
  SugaredPtr attr(const SourceRange& loc, GraphFunction&, const std::string& field) override {
    if (ns_.empty()) return std::make_shared<OperatorNamespace>(field);
    return Operator(ns_ + "::" + field, loc, "torch.ops." + ns_ + "." + field);
  }

 private:
  const std::string ns_;
};

// What names mean below `torch`, for one file.
struct PythonNames {
  std::shared_ptr<PythonPrelude> prelude;
  ForwardNotes* notes;
};

// `torch` and everything below it.
class TorchNamespace final : public SugaredValue {
 public:
  TorchNamespace(std::string path, PythonNames names) : path_(std::move(path)), names_(std::move(names)) {}
  std::string kind() const override { return "module"; }
  SugaredPtr attr(const SourceRange& loc, GraphFunction& method, const std::string& field) override {
    const bool is_namespace =
        field == "nn" || field == "functional" || field == "special" || field == "linalg" || field == "fft";
    // aten::linalg_norm, aten::special_expm1 and aten::fft_rfft carry their namespace in the name.
    const std::string prefix = path_ == "torch.linalg"    ? "linalg_"
                               : path_ == "torch.special" ? "special_"
                               : path_ == "torch.fft"     ? "fft_"
                                                          : "";
    if (path_ == "torch" && field == "ops") return std::make_shared<OperatorNamespace>("");
    if (path_ == "torch" && field == "functional") return std::make_shared<TorchNamespace>("torch", names_);
    if (is_namespace && prefix.empty()) return std::make_shared<TorchNamespace>(path_ + "." + field, names_);
    if (prefix.empty()) {
      if (const auto dtype = DTypeConstant(field)) return Constant(*dtype, loc, method);
      if (const auto format = FormatConstant(field)) return Constant(*format, loc, method);
      if (const auto value = FloatConstant(field)) return Constant(*value, loc, method);
    }
    const std::string name = path_ + "." + field;
    if (auto function = FindPythonFunction(name, names_.prelude, names_.notes)) return function;
    const PythonSignature* signature = FindPythonSignature(name);
    RefuseUnknownFunction(signature, field, loc);
    const std::string spelled =
        signature == nullptr ? name : signature->spelled.substr(0, signature->spelled.find('('));
    return Operator("aten::" + prefix + field, loc, spelled, signature);
  }

 private:
  // Taken for the operator of its name, it might compute something else without a word. One that no model may use is
  // refused with the reason after compiling.
  static void RefuseUnknownFunction(const PythonSignature* signature, const std::string& field,
                                    const SourceRange& loc) {
    if (signature == nullptr || !signature->is_written_in_python) return;
    const bool is_operator = !torch::jit::getAllOperatorsFor(Symbol::fromQualString("aten::" + field)).empty();
    if (is_operator && plan::WhyRefused("aten::" + field).has_value()) return;
    throw torch::jit::ErrorReport(loc) << signature->spelled
                                       << " is a function of Python's that forward.py does not have; write it out with "
                                          "operators"
                                       << (is_operator ? ". torch.ops.aten." + field + " is the operator of that name"
                                                       : "");
  }

  const std::string path_;
  const PythonNames names_;
};

class MathNamespace final : public SugaredValue {
 public:
  std::string kind() const override { return "module"; }
  SugaredPtr attr(const SourceRange& loc, GraphFunction& method, const std::string& field) override {
    if (const auto value = FloatConstant(field)) return Constant(*value, loc, method);
    return Operator("aten::" + field, loc, "math." + field);
  }
};

class ForwardResolver final : public torch::jit::Resolver {
 public:
  ForwardResolver(std::map<std::string, std::string> names, PythonNames python)
      : names_(std::move(names)), python_(std::move(python)) {
    names_.emplace("torch", "torch");
    names_.emplace("F", "torch.nn.functional");
    names_.emplace("math", "math");
  }

  SugaredPtr resolveValue(const std::string& name, GraphFunction& method, const SourceRange& loc) override {
    const auto it = names_.find(name);
    if (it == names_.end()) return FindPythonMethod(name, python_.prelude, python_.notes);
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
        value = std::make_shared<TorchNamespace>(part, python_);
      }
    }
    return value;
  }
  c10::TypePtr resolveType(const std::string&, const SourceRange&) override { return nullptr; }

 private:
  std::map<std::string, std::string> names_;
  const PythonNames python_;
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

torch::jit::ResolverPtr MakeForwardResolver(const std::map<std::string, std::string>& names,
                                            std::shared_ptr<PythonPrelude> prelude, ForwardNotes* notes) {
  return std::make_shared<ForwardResolver>(names, PythonNames{std::move(prelude), notes});
}

bool IsNamespace(const TreeRef& tree, const c10::ClassType* self, const std::map<std::string, std::string>& names) {
  if (self != nullptr && ModuleAt(tree, *self) != nullptr) return true;
  TreeRef root = tree;
  while (root->kind() == '.') root = torch::jit::Select(root).value().tree();
  if (root->kind() != torch::jit::TK_VAR) return false;
  const std::string& name = torch::jit::Var(root).name().name();
  return name == "torch" || name == "F" || name == "math" || names.contains(name);
}

std::string HintFor(std::string_view message) {
  static const std::vector<std::pair<std::string, std::string>> kHints = {
      {"does not have a field with name",
       "Tensors and modules below `self` are those that the state_dict has keys for"},
      {"has no attribute or method",
       "Tensors and modules below `self` are those that the state_dict has keys for, and a module made from keys has "
       "no forward of its own. Call an operator with its tensors, as in F.linear(x, self.fc.weight, self.fc.bias)"},
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
