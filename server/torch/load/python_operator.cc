#include "server/torch/load/python_operator.h"

#include <torch/csrc/jit/frontend/error_report.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/runtime/operator.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "server/plan/model_operators.h"
#include "server/torch/load/python_values.h"

namespace torchferry::libtorch {
namespace {

using torch::jit::ErrorReport;
using torch::jit::Graph;
using torch::jit::GraphFunction;
using torch::jit::NamedValue;
using torch::jit::SourceRange;
using torch::jit::SugaredValue;
using torch::jit::Value;

using SugaredPtr = std::shared_ptr<SugaredValue>;
using Arguments = at::ArrayRef<NamedValue>;

class PythonOperator final : public SugaredValue {
 public:
  PythonOperator(c10::Symbol symbol, std::string spelled, const PythonSignature* signature)
      : symbol_(symbol), spelled_(std::move(spelled)), signature_(signature) {}

  std::string kind() const override { return "builtin"; }

  SugaredPtr call(const SourceRange& loc, GraphFunction& method, Arguments args, Arguments kwargs,
                  size_t n_binders) override {
    torch::jit::BuiltinFunction builtin(symbol_, std::nullopt);
    const std::vector<NamedValue> renamed = Renamed(*method.graph(), args, kwargs);
    const auto [positional, keywords] = WithBools(*method.graph(), args, renamed);
    std::string message;
    try {
      return builtin.call(loc, method, positional, keywords, n_binders);
    } catch (const ErrorReport& error) {
      message = error.what();
    }
    Graph& graph = *method.graph();
    for (const auto& op : torch::jit::getAllOperatorsFor(symbol_)) {
      const auto taken = AsTaken(loc, graph, op->schema(), args, renamed);
      if (!taken.has_value()) continue;
      try {
        return builtin.call(loc, method, taken->first, taken->second, n_binders);
      } catch (const ErrorReport&) {
        continue;
      }
    }
    if (const auto reason = plan::WhyRefused(symbol_.toQualString())) {
      throw ErrorReport(loc) << spelled_ << " is for no model: its operator " << *reason;
    }
    if (signature_ == nullptr || signature_->spelled.ends_with("(...)")) throw ErrorReport(loc) << ShortOf(message);
    throw ErrorReport(loc) << spelled_ << " cannot be called with " << DescribeArguments(graph, args, kwargs)
                           << "; its signature is " << signature_->spelled;
  }

 private:
  using Call = std::pair<std::vector<NamedValue>, std::vector<NamedValue>>;

  // Without the place, which the new report has.
  static std::string ShortOf(const std::string& message) {
    std::string text = message.substr(0, message.find("\n:\n"));
    while (!text.empty() && (text.back() == '\n' || text.back() == ':')) text.pop_back();
    return text;
  }

  bool HasArgument(const std::string& name) const {
    return std::ranges::any_of(torch::jit::getAllOperatorsFor(symbol_),
                               [&](const auto& op) { return op->schema().argumentIndexWithName(name).has_value(); });
  }

  // Python also takes NumPy's names, and what is as if it had been left out.
  std::vector<NamedValue> Renamed(Graph& graph, Arguments args, Arguments kwargs) const {
    static const std::map<std::string, std::string> kNames = {
        {"axis", "dim"}, {"keepdims", "keepdim"}, {"x", "self"},     {"a", "self"},
        {"x1", "self"},  {"x2", "other"},         {"input", "self"}, {"tensor", "other"}};
    std::vector<NamedValue> renamed;
    for (const NamedValue& kwarg : kwargs) {
      if (IsAsIfLeftOut(graph, kwarg)) continue;
      const auto found = kNames.find(kwarg.name());
      const bool is_other = found != kNames.end() && !HasArgument(kwarg.name()) && HasArgument(found->second);
      renamed.push_back(is_other ? NamedValue(kwarg.loc(), found->second, kwarg.value(graph)) : kwarg);
    }
    AddReduction(graph, args, renamed);
    return renamed;
  }

  // LibTorch makes an int of a bool where a number stands. Python keeps it, which shows in the type of the result: a
  // bool that may be a tensor becomes one, and torch.full gets its dtype.
  Call WithBools(Graph& graph, Arguments args, const std::vector<NamedValue>& kwargs) const {
    const auto is_bool = [&](const NamedValue& given) {
      return given.value(graph)->type()->kind() == c10::TypeKind::BoolType;
    };
    const auto keep = [&](const NamedValue& given, const std::set<c10::TypeKind>& formals) {
      Value* const value = given.value(graph);
      const bool may_be_tensor = formals.contains(c10::TypeKind::NumberType) &&
                                 formals.contains(c10::TypeKind::TensorType) &&
                                 !formals.contains(c10::TypeKind::BoolType);
      if (!is_bool(given) || !may_be_tensor) return value;
      const NamedValue dtype("dtype", static_cast<int64_t>(at::kBool));
      return graph.insert(c10::aten::scalar_tensor, {value}, {dtype});
    };
    Call call;
    for (size_t i = 0; i < args.size(); ++i) {
      call.first.emplace_back(args[i].locOr(SourceRange()), keep(args[i], FormalsAt(i)));
    }
    bool needs_dtype = symbol_ == c10::aten::full && args.size() > 1 && is_bool(args[1]);
    for (const NamedValue& kwarg : kwargs) {
      needs_dtype = needs_dtype || (symbol_ == c10::aten::full && kwarg.name() == "fill_value" && is_bool(kwarg));
      call.second.emplace_back(kwarg.locOr(SourceRange()), kwarg.name(), keep(kwarg, FormalsOf(kwarg.name())));
    }
    const bool has_dtype = std::ranges::any_of(kwargs, [](const NamedValue& kwarg) { return kwarg.name() == "dtype"; });
    if (needs_dtype && !has_dtype)
      call.second.emplace_back("dtype", graph.insertConstant(static_cast<int64_t>(at::kBool)));
    return call;
  }

  std::set<c10::TypeKind> FormalsAt(size_t index) const {
    std::set<c10::TypeKind> kinds;
    for (const auto& op : torch::jit::getAllOperatorsFor(symbol_)) {
      const auto& arguments = op->schema().arguments();
      if (index < arguments.size()) kinds.insert(arguments[index].type()->kind());
    }
    return kinds;
  }

  std::set<c10::TypeKind> FormalsOf(const std::string& name) const {
    std::set<c10::TypeKind> kinds;
    for (const auto& op : torch::jit::getAllOperatorsFor(symbol_)) {
      for (const c10::Argument& argument : op->schema().arguments()) {
        if (argument.name() == name) kinds.insert(argument.type()->kind());
      }
    }
    return kinds;
  }

  static bool IsAsIfLeftOut(Graph& graph, const NamedValue& kwarg) {
    if (kwarg.name() != "out" && kwarg.name() != "requires_grad") return false;
    const auto value = torch::jit::toIValue(kwarg.value(graph));
    return value.has_value() && (value->isNone() || (value->isBool() && !value->toBool()));
  }

  // The default of `reduction` is the mean in an operator's schema, and none where Python calls that operator itself.
  void AddReduction(Graph& graph, Arguments args, std::vector<NamedValue>& kwargs) const {
    if (signature_ == nullptr) return;
    const auto operators = torch::jit::getAllOperatorsFor(symbol_);
    const bool takes_reduction = std::ranges::any_of(operators, [&](const auto& op) {
      const auto index = op->schema().argumentIndexWithName("reduction");
      return index.has_value() && static_cast<size_t>(*index) >= args.size();
    });
    const bool is_given =
        std::ranges::any_of(kwargs, [](const NamedValue& kwarg) { return kwarg.name() == "reduction"; });
    if (takes_reduction && !is_given) kwargs.emplace_back("reduction", graph.insertConstant(int64_t{0}));
  }

  // The arguments as a function with these parameters takes them; nothing when that changes none.
  static std::optional<Call> AsTaken(const SourceRange& loc, Graph& graph, const c10::FunctionSchema& schema,
                                     Arguments args, Arguments kwargs) {
    Call call;
    bool is_changed = false;
    const auto take = [&](const NamedValue& given, const c10::TypePtr& formal) {
      Value* const value = given.value(graph);
      Value* const taken = AsPythonTakes(value, formal, loc);
      is_changed = is_changed || taken != value;
      return taken;
    };
    if (args.size() > schema.arguments().size()) return std::nullopt;
    for (size_t i = 0; i < args.size(); ++i) {
      call.first.emplace_back(loc, take(args[i], schema.arguments()[i].type()));
    }
    for (const NamedValue& kwarg : kwargs) {
      const auto index = schema.argumentIndexWithName(kwarg.name());
      if (!index.has_value()) return std::nullopt;
      const c10::TypePtr& formal = schema.arguments()[static_cast<size_t>(*index)].type();
      call.second.emplace_back(kwarg.loc(), kwarg.name(), take(kwarg, formal));
    }
    return is_changed ? std::optional<Call>(std::move(call)) : std::nullopt;
  }

  const c10::Symbol symbol_;
  const std::string spelled_;
  const PythonSignature* const signature_;
};

}  // namespace

SugaredPtr MakePythonOperator(c10::Symbol symbol, std::string spelled, const PythonSignature* signature) {
  return std::make_shared<PythonOperator>(symbol, std::move(spelled), signature);
}

}  // namespace torchferry::libtorch
