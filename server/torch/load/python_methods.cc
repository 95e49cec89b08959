#include "server/torch/load/python_methods.h"

#include <torch/csrc/jit/frontend/error_report.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/runtime/operator.h>

#include <string_view>
#include <utility>
#include <vector>

#include "server/torch/load/python_operator.h"

namespace torchferry::libtorch {
namespace {

using torch::jit::Apply;
using torch::jit::Expr;
using torch::jit::GraphFunction;
using torch::jit::NamedValue;
using torch::jit::SourceRange;
using torch::jit::SugaredValue;
using torch::jit::TreeRef;

constexpr std::string_view kMethods = "torch.Tensor.";  // a name with dots: no identifier

c10::Symbol OperatorOf(const std::string& method) { return c10::Symbol::fromQualString("aten::" + method); }

bool MayBeMethod(const std::string& name) {
  return !PreludeName(std::string(kMethods) + name).empty() ||
         !torch::jit::getAllOperatorsFor(OperatorOf(name)).empty();
}

// Whether `name` of a module of `type` is a module, which is called by its forward.
bool IsModule(const c10::TypePtr& type, const std::string& name) {
  const auto of_class = type->cast<c10::ClassType>();
  return of_class != nullptr && of_class->hasAttribute(name) &&
         of_class->getAttribute(name)->cast<c10::ClassType>() != nullptr;
}

class PythonMethod final : public SugaredValue {
 public:
  // `function` is null where the method is an operator.
  PythonMethod(std::string name, std::shared_ptr<SugaredValue> function)
      : name_(std::move(name)), function_(std::move(function)) {}

  std::string kind() const override { return "method"; }

  std::shared_ptr<SugaredValue> call(const SourceRange& loc, GraphFunction& method, at::ArrayRef<NamedValue> args,
                                     at::ArrayRef<NamedValue> kwargs, size_t n_binders) override {
    torch::jit::Value* const value = args.at(0).value(*method.graph());
    const auto call_own = [&] {
      auto own = torch::jit::SimpleValue(value).attr(loc, method, name_);
      if (IsModule(value->type(), name_)) own = own->attr(loc, method, "forward");
      return own->call(loc, method, args.slice(1), kwargs, n_binders);
    };
    if (!value->type()->isSubtypeOf(*c10::TensorType::get())) return call_own();
    if (function_ != nullptr) return function_->call(loc, method, args, kwargs, n_binders);
    try {
      return call_own();
    } catch (const torch::jit::ErrorReport&) {
      // Now as Python takes it; the message of that is what Python's users know.
      const auto op = MakePythonOperator(OperatorOf(name_), "Tensor." + name_, FindPythonSignature("torch." + name_));
      return op->call(loc, method, args, kwargs, n_binders);
    }
  }

 private:
  const std::string name_;
  const std::shared_ptr<SugaredValue> function_;
};

}  // namespace

TreeRef NamePythonMethods(const TreeRef& tree, const std::function<bool(const TreeRef& value)>& is_namespace) {
  TreeRef mapped = tree->map([&](const TreeRef& child) { return NamePythonMethods(child, is_namespace); });
  if (mapped->kind() != torch::jit::TK_APPLY) return mapped;
  const Apply apply(mapped);
  if (apply.callee().kind() != '.') return mapped;
  const torch::jit::Select select(apply.callee());
  const std::string& name = select.selector().name();
  if (!MayBeMethod(name) || is_namespace(select.value().tree())) return mapped;
  std::vector<Expr> inputs = {select.value()};
  for (const Expr& input : apply.inputs()) inputs.push_back(input);
  const SourceRange& range = apply.range();
  const auto callee = torch::jit::Var::create(range, torch::jit::Ident::create(range, std::string(kMethods) + name));
  return Apply::create(range, callee, torch::jit::List<Expr>::create(range, inputs), apply.attributes()).tree();
}

std::shared_ptr<SugaredValue> FindPythonMethod(const std::string& name, const std::shared_ptr<PythonPrelude>& prelude,
                                               ForwardNotes* notes) {
  if (!name.starts_with(kMethods)) return nullptr;
  return std::make_shared<PythonMethod>(name.substr(kMethods.size()), FindPythonFunction(name, prelude, notes));
}

}  // namespace torchferry::libtorch
