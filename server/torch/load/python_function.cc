#include "server/torch/load/python_function.h"

#include <torch/csrc/jit/frontend/error_report.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/ir.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "server/torch/load/changed_meaning.h"
#include "server/torch/load/python_operator.h"
#include "server/torch/load/python_values.h"

namespace torchferry::libtorch {
namespace {

using torch::jit::ErrorReport;
using torch::jit::Function;
using torch::jit::Graph;
using torch::jit::GraphFunction;
using torch::jit::NamedValue;
using torch::jit::SourceRange;
using torch::jit::SugaredValue;
using torch::jit::Value;

using SugaredPtr = std::shared_ptr<SugaredValue>;
using Arguments = at::ArrayRef<NamedValue>;

// Of a parameter that a function of the prelude does not have.
std::string InsteadOf(const std::string& parameter) {
  static const std::map<std::string, std::string> kInstead = {
      {"size_average", "write reduction=\"mean\" or reduction=\"sum\""},
      {"reduce", "write reduction=\"none\""},
      {"max_norm", "it would change the weights; look them up in torch.renorm(weight, norm_type, 0, max_norm)"},
      {"out", "assign the result"},
      {"inplace", "assign the result"},
      {"distance_function", "write the distances out, and the loss of them"},
  };
  const auto found = kInstead.find(parameter);
  return found == kInstead.end() ? "leave it out" : found->second;
}

// What PyTorch 0.4 had for `reduction`. Nothing where a value is no constant.
std::optional<std::string> OldReduction(const Value* size_average, const Value* reduce) {
  const auto average = torch::jit::toIValue(size_average);
  const auto reduces = torch::jit::toIValue(reduce);
  if (!average.has_value() || !reduces.has_value()) return std::nullopt;
  if (reduces->isBool() && !reduces->toBool()) return "none";
  return average->isBool() && !average->toBool() ? "sum" : "mean";
}

class PythonFunction final : public SugaredValue {
 public:
  PythonFunction(const PythonSignature& signature, std::string prelude_name, std::shared_ptr<PythonPrelude> prelude,
                 SugaredPtr otherwise, ForwardNotes* notes)
      : signature_(signature),
        prelude_name_(std::move(prelude_name)),
        prelude_(std::move(prelude)),
        operator_(std::move(otherwise)),
        notes_(notes) {}

  std::string kind() const override { return "function"; }

  SugaredPtr call(const SourceRange& loc, GraphFunction& method, Arguments args, Arguments kwargs,
                  size_t n_binders) override {
    if (operator_ == nullptr) return CallFunction(loc, *method.graph(), args, kwargs);
    try {
      return CallFunction(loc, *method.graph(), args, kwargs);
    } catch (const ErrorReport&) {
      return operator_->call(loc, method, args, kwargs, n_binders);
    }
  }

 private:
  using Bound = std::map<std::string, Value*>;

  SugaredPtr CallFunction(const SourceRange& loc, Graph& graph, Arguments args, Arguments kwargs) const {
    const Bound bound = Bind(loc, graph, args, kwargs);
    const std::vector<Function*> overloads = Overloads(loc, bound);
    CheckUnknown(loc, overloads, bound);
    for (Function* overload : overloads) {
      Value* const output = TryCall(loc, graph, *overload, bound);
      if (output == nullptr) continue;
      if (notes_ != nullptr) {
        NoteChangedMeaning(signature_, graph, args, kwargs, output->type(), *notes_);
        NoteRandomness(overload->name());
      }
      return std::make_shared<torch::jit::SimpleValue>(output);
    }
    throw ErrorReport(loc) << Name() << " cannot be called with " << DescribeArguments(graph, args, kwargs)
                           << "; its signature is " << signature_.spelled;
  }

  std::string Name() const { return signature_.spelled.substr(0, signature_.spelled.find('(')); }

  // A method's tensor is `input`, as it is for the function.
  static std::string NameOf(const PythonParameter& parameter) {
    return parameter.name == "self" ? "input" : parameter.name;
  }

  Bound Bind(const SourceRange& loc, Graph& graph, Arguments args, Arguments kwargs) const {
    Bound bound;
    size_t next = 0;
    for (const PythonParameter& parameter : signature_.parameters) {
      if (parameter.is_keyword_only) break;
      if (parameter.is_variadic) {
        std::vector<Value*> rest;
        for (; next < args.size(); ++next) rest.push_back(args[next].value(graph));
        // `f(x)` is not always `f([x])`: torch.atleast_1d(x) is a tensor. An overload decides.
        const bool is_one = rest.size() == 1 && rest[0]->type()->isSubtypeOf(*c10::TensorType::get());
        bound[NameOf(parameter)] = is_one ? rest[0] : AsList(rest, graph, loc);
      } else if (next < args.size()) {
        bound[NameOf(parameter)] = args[next++].value(graph);
      }
    }
    if (next < args.size()) {
      throw ErrorReport(loc) << Name() << " takes at most " << next << " positional arguments and got " << args.size()
                             << "; its signature is " << signature_.spelled;
    }
    for (const NamedValue& kwarg : kwargs) BindKeyword(loc, graph, kwarg, bound);
    for (const PythonParameter& parameter : signature_.parameters) {
      if (bound.contains(NameOf(parameter))) continue;
      if (!parameter.default_value.has_value()) {
        throw ErrorReport(loc) << Name() << " needs an argument for \"" << NameOf(parameter) << "\"; its signature is "
                               << signature_.spelled;
      }
      bound[NameOf(parameter)] = graph.insertConstant(*parameter.default_value, loc);
    }
    if (bound.contains("size_average") && bound.contains("reduce")) ReplaceOldReduction(loc, graph, bound);
    return bound;
  }

  static void ReplaceOldReduction(const SourceRange& loc, Graph& graph, Bound& bound) {
    Value*& average = bound["size_average"];
    Value*& reduce = bound["reduce"];
    const auto is_none = [](const Value* value) { return value->type()->kind() == c10::TypeKind::NoneType; };
    if (is_none(average) && is_none(reduce)) return;
    const auto reduction = OldReduction(average, reduce);
    if (!reduction.has_value()) return;
    bound["reduction"] = graph.insertConstant(*reduction, loc);
    average = reduce = graph.insertConstant(c10::IValue(), loc);
  }

  void BindKeyword(const SourceRange& loc, Graph& graph, const NamedValue& kwarg, Bound& bound) const {
    const bool is_known = std::ranges::any_of(signature_.parameters, [&](const PythonParameter& parameter) {
      return !parameter.is_variadic && NameOf(parameter) == kwarg.name();
    });
    if (!is_known) {
      throw ErrorReport(loc) << Name() << " has no parameter \"" << kwarg.name() << "\"; its signature is "
                             << signature_.spelled;
    }
    if (!bound.emplace(kwarg.name(), kwarg.value(graph)).second) {
      throw ErrorReport(loc) << Name() << " got \"" << kwarg.name() << "\" twice; its signature is "
                             << signature_.spelled;
    }
  }

  void NoteRandomness(const std::string& definition) const {
    if (definition.find("__training") == std::string::npos) return;
    const std::string note = Name() + " draws random numbers at each call, because its parameter training is True; " +
                             "write training=False for answers that stay the same";
    if (std::ranges::find(*notes_, note) == notes_->end()) notes_->push_back(note);
  }

  // The definition that the call's flags choose.
  std::vector<Function*> Overloads(const SourceRange& loc, const Bound& bound) const {
    const std::set<std::string> flags = PreludeFlags(prelude_name_);
    std::string name = prelude_name_;
    std::vector<std::string> unknown;
    for (const PythonParameter& parameter : signature_.parameters) {
      if (!flags.contains(parameter.name)) continue;
      const auto value = torch::jit::toIValue(bound.at(parameter.name));
      if (!value.has_value()) unknown.push_back(parameter.name);
      if (value.has_value() && value->isBool() && value->toBool()) name += "__" + parameter.name;
    }
    std::vector<Function*> overloads = prelude_->Compile(name);
    for (const std::string& flag : unknown) {
      // One that the definition takes as an argument may be a variable.
      const bool is_taken = std::ranges::all_of(overloads, [&](const Function* overload) {
        return overload->getSchema().argumentIndexWithName(flag).has_value();
      });
      if (!is_taken) {
        throw ErrorReport(loc) << Name() << ": write True or False for \"" << flag
                               << "\": what the call gives depends on it";
      }
    }
    if (overloads.empty()) {
      throw ErrorReport(loc) << Name() << " is not supported with these flags together; leave one of them out";
    }
    return overloads;
  }

  // What no overload has must be as if it had been left out.
  void CheckUnknown(const SourceRange& loc, const std::vector<Function*>& overloads, const Bound& bound) const {
    const std::set<std::string> flags = PreludeFlags(prelude_name_);
    for (const PythonParameter& parameter : signature_.parameters) {
      const std::string name = NameOf(parameter);
      const bool is_known = flags.contains(name) || std::ranges::any_of(overloads, [&](const Function* overload) {
                              return overload->getSchema().argumentIndexWithName(name).has_value();
                            });
      if (is_known || name.starts_with('_')) continue;
      const auto value = torch::jit::toIValue(bound.at(name));
      const bool is_default =
          value.has_value() && parameter.default_value.has_value() && *value == *parameter.default_value;
      if (is_default) continue;
      throw ErrorReport(loc) << Name() << ": the parameter \"" << name << "\" is not supported; " << InsteadOf(name);
    }
  }

  // Null when the arguments do not fit.
  static Value* TryCall(const SourceRange& loc, Graph& graph, Function& overload, const Bound& bound) {
    const c10::FunctionSchema& schema = overload.getSchema();
    std::vector<NamedValue> values;
    for (const c10::Argument& argument : schema.arguments()) {
      Value* value = AsPythonTakes(bound.at(argument.name()), argument.type(), loc);
      const auto list = argument.type()->cast<c10::ListType>();
      const bool is_one_of_many = list != nullptr && *list == *c10::ListType::ofTensors() &&
                                  value->type()->isSubtypeOf(*c10::TensorType::get());
      if (is_one_of_many) value = AsList({value}, graph, loc);
      values.emplace_back(loc, argument.name(), value);
    }
    try {
      const auto match = torch::jit::matchSchema(schema, loc, graph, {}, values);
      Value* const output = graph.insertFunctionCall(&overload, match);
      output->node()->setSourceRange(loc);
      return output;
    } catch (const ErrorReport&) {
      return nullptr;
    }
  }

  const PythonSignature& signature_;
  const std::string prelude_name_;
  const std::shared_ptr<PythonPrelude> prelude_;
  const SugaredPtr operator_;  // for calls that are not the function's; may be null
  ForwardNotes* const notes_;
};

}  // namespace

SugaredPtr FindPythonFunction(std::string_view python_name, const std::shared_ptr<PythonPrelude>& prelude,
                              ForwardNotes* notes) {
  const PythonSignature* signature = FindPythonSignature(python_name);
  if (signature == nullptr) return nullptr;
  std::string prelude_name = PreludeName(python_name);
  if (prelude_name.empty()) return nullptr;
  SugaredPtr otherwise;
  if (!signature->is_written_in_python) {
    const std::string op = signature->name.substr(signature->name.rfind('.') + 1);
    otherwise = MakePythonOperator(c10::Symbol::fromQualString("aten::" + op), signature->name, signature);
  }
  return std::make_shared<PythonFunction>(*signature, std::move(prelude_name), prelude, std::move(otherwise), notes);
}

}  // namespace torchferry::libtorch
