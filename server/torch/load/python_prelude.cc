#include "server/torch/load/python_prelude.h"

#include <fmt/format.h>
#include <torch/csrc/jit/frontend/parser.h>
#include <torch/csrc/jit/frontend/resolver.h>
#include <torch/csrc/jit/frontend/sugared_value.h>

#include <array>
#include <map>
#include <optional>
#include <utility>

#include "server/torch/device/convert.h"
#include "server/torch/load/python_text.h"

namespace torchferry::libtorch {
namespace {

using torch::jit::Def;
using torch::jit::GraphFunction;
using torch::jit::SourceRange;
using torch::jit::SugaredValue;

using Definitions = std::map<std::string, std::vector<Def>, std::less<>>;

constexpr const char* kUnitPrefix = "__torch__.torchferry.python";

// Trees do not change once they are made: every model compiles the same ones.
const Definitions& AllDefinitions() {
  static const Definitions definitions = [] {
    Definitions read;
    for (const PythonText& text : PythonTexts()) {
      if (!text.file.ends_with(".py")) continue;
      torch::jit::Parser parser(
          std::make_shared<torch::jit::Source>(std::string(text.text), std::string(text.file), 1));
      while (parser.lexer().cur().kind != torch::jit::TK_EOF) {
        Def def(parser.parseFunction(/*is_method=*/false));
        read[def.name().name()].push_back(std::move(def));
      }
    }
    return read;
  }();
  return definitions;
}

// In the prelude's text `torch.X` is the operator X, int64 and its like are dtypes, and its functions know one another.
class PreludeResolver final : public torch::jit::Resolver {
 public:
  explicit PreludeResolver(std::shared_ptr<PythonPrelude> prelude) : prelude_(std::move(prelude)) {}

  std::shared_ptr<SugaredValue> resolveValue(const std::string& name, GraphFunction& method,
                                             const SourceRange& loc) override {
    if (name == "torch") return std::make_shared<torch::jit::BuiltinModule>("aten");
    if (name == "annotate") return torch::jit::SpecialFormValue::create(c10::prim::annotate);
    if (name == "ValueError") return std::make_shared<torch::jit::ExceptionValue>(name);
    if (AllDefinitions().contains(name)) {
      return std::make_shared<OverloadValue>(prelude_->Compile(name));
    }
    if (const auto dtype = DTypeConstant(name)) {
      return std::make_shared<torch::jit::SimpleValue>(method.graph()->insertConstant(*dtype, loc));
    }
    return nullptr;
  }

 private:
  class OverloadValue final : public SugaredValue {
   public:
    explicit OverloadValue(std::vector<torch::jit::Function*> overloads) : overloads_(std::move(overloads)) {}
    std::string kind() const override { return "function"; }
    std::shared_ptr<SugaredValue> call(const SourceRange& loc, GraphFunction& method,
                                       at::ArrayRef<torch::jit::NamedValue> args,
                                       at::ArrayRef<torch::jit::NamedValue> kwargs, size_t) override {
      std::vector<const c10::FunctionSchema*> schemas;
      for (torch::jit::Function* overload : overloads_) {
        overload->ensure_defined();
        schemas.push_back(&overload->getSchema());
      }
      const auto match = torch::jit::matchSchemas(schemas, loc, *method.graph(), args, kwargs);
      torch::jit::Value* output = method.graph()->insertFunctionCall(overloads_[match.first], match.second);
      output->node()->setSourceRange(loc);
      return std::make_shared<torch::jit::SimpleValue>(output);
    }

   private:
    const std::vector<torch::jit::Function*> overloads_;
  };

  const std::shared_ptr<PythonPrelude> prelude_;
};

std::string UnitName(const std::string& prelude_name, size_t overload) {
  return overload == 0 ? prelude_name : fmt::format("{}_{}", prelude_name, overload + 1);
}

}  // namespace

std::string PreludeName(std::string_view python_name) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kPrefixes = {{{"torch.nn.functional.", "F_"},
                                                                                       {"torch.Tensor.", "Tensor_"},
                                                                                       {"torch.Tensor.", "torch_"},
                                                                                       {"torch.", "torch_"}}};
  for (const auto& [python, prelude] : kPrefixes) {
    if (!python_name.starts_with(python)) continue;
    std::string name = fmt::format("{}{}", prelude, python_name.substr(python.size()));
    if (AllDefinitions().contains(name)) return name;
  }
  return "";
}

std::set<std::string> PreludeFlags(const std::string& prelude_name) {
  const std::string prefix = prelude_name + "__";
  std::set<std::string> flags;
  for (auto it = AllDefinitions().lower_bound(prefix); it != AllDefinitions().end(); ++it) {
    const std::string_view name = it->first;
    if (!name.starts_with(prefix)) break;
    for (const std::string_view flag : SplitText(name.substr(prefix.size()), "__")) flags.emplace(flag);
  }
  return flags;
}

std::vector<torch::jit::Function*> PythonPrelude::Compile(const std::string& prelude_name) {
  const auto found = AllDefinitions().find(prelude_name);
  if (found == AllDefinitions().end()) return {};
  const c10::QualifiedName prefix(kUnitPrefix);
  std::vector<torch::jit::Function*> overloads;
  for (size_t i = 0; i < found->second.size(); ++i) {
    const std::string name = UnitName(prelude_name, i);
    torch::jit::Function* known = unit_->find_function(c10::QualifiedName(prefix, name));
    if (known == nullptr) {
      const std::vector<Def> defs = {found->second[i].withName(name)};
      const std::vector<torch::jit::ResolverPtr> resolvers = {std::make_shared<PreludeResolver>(shared_from_this())};
      known = unit_->define(prefix, /*properties=*/{}, /*propResolvers=*/{}, defs, resolvers, /*self=*/nullptr).at(0);
    }
    overloads.push_back(known);
  }
  return overloads;
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

}  // namespace torchferry::libtorch
