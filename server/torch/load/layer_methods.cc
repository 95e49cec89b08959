#include "server/torch/load/layer_methods.h"

#include <torch/csrc/jit/frontend/error_report.h>
#include <torch/csrc/jit/frontend/parser.h>
#include <torch/csrc/jit/frontend/resolver.h>
#include <torch/csrc/jit/frontend/sugared_value.h>

#include <memory>
#include <set>
#include <utility>

#include "server/base/status.h"
#include "server/plan/layer_limits.h"
#include "server/plan/python_file.h"
#include "server/torch/load/declared_values.h"
#include "server/torch/load/default_types.h"
#include "server/torch/load/forward_names.h"
#include "server/torch/load/layer_value.h"
#include "server/torch/load/python_methods.h"
#include "server/torch/load/python_prelude.h"
#include "server/torch/load/unrolled_ranges.h"

namespace torchferry::libtorch {
namespace {

using plan::FunctionSource;
using plan::ModuleNode;
using torch::jit::Def;
using torch::jit::GraphFunction;
using torch::jit::Source;
using torch::jit::SourceRange;
using torch::jit::SugaredValue;

std::string Below(const std::string& path, const std::string& name) {
  return path.empty() ? name : fmt::format("{}.{}", path, name);
}

void CheckDefaults(const Def& def, const std::string& file) {
  absl::Status status = CheckDeclaredValues(def.tree(), file);
  if (!status.ok()) throw RefusedValue(std::move(status));
}

// A method of a class stands further to the right than LibTorch's parser takes outside of one.
Def ParseMethod(const FunctionSource& function) {
  const bool is_indented = function.text.starts_with(' ') || function.text.starts_with('\t');
  const std::string text = (is_indented ? "class _:\n" : "") + std::string(function.text) + "\n";
  torch::jit::Parser parser(
      std::make_shared<Source>(text, function.file->name, is_indented ? function.line - 1 : function.line));
  if (!is_indented) return Def(parser.parseFunction(/*is_method=*/function.takes_self));
  const torch::jit::ClassDef holder(parser.parseClass());
  if (holder.body().size() != 1 || holder.body()[0].kind() != torch::jit::TK_DEF) {
    throw torch::jit::ErrorReport(holder.range()) << "a method was expected";
  }
  return Def(holder.body()[0].tree());
}

std::vector<Def> ParseTopLevel(const plan::PythonFile& file) {
  torch::jit::Parser parser(
      std::make_shared<Source>(plan::HasConstructors(file) ? plan::TopLevelMethods(file) : file.text, file.name, 1));
  std::vector<Def> defs;
  while (parser.lexer().cur().kind != torch::jit::TK_EOF) {
    defs.emplace_back(parser.parseFunction(/*is_method=*/true));
  }
  return defs;
}

// What the name `self` is while methods of a module are compiled.
class LayerSelf final : public torch::jit::Self {
 public:
  LayerSelf(c10::ClassTypePtr type, std::string path, const ModuleNode& node, const LayerScope& scope)
      : type_(std::move(type)), path_(std::move(path)), node_(node), scope_(scope) {}
  std::shared_ptr<SugaredValue> makeSugared(torch::jit::Value* value) const override {
    value->setType(type_);
    return MakeLayerValue(value, path_, &node_, scope_);
  }
  c10::ClassTypePtr getClassType() const override { return type_; }

 private:
  const c10::ClassTypePtr type_;
  const std::string path_;
  const ModuleNode& node_;
  const LayerScope& scope_;
};

// ValueError and its like, which `raise` takes.
std::shared_ptr<SugaredValue> ExceptionNamed(const std::string& name) {
  if (!name.ends_with("Error") && name != "Exception") return nullptr;
  return std::make_shared<torch::jit::ExceptionValue>(name);
}

// The names that this project's own layers use.
class LibraryResolver final : public torch::jit::Resolver {
 public:
  std::shared_ptr<SugaredValue> resolveValue(const std::string& name, GraphFunction&, const SourceRange&) override {
    if (name == "torch") return std::make_shared<torch::jit::BuiltinModule>("aten");
    return ExceptionNamed(name);
  }
  c10::TypePtr resolveType(const std::string&, const SourceRange&) override { return nullptr; }
};

// The names of the file: its functions without `self` and its constants, then those of every forward.py.
class FileResolver final : public torch::jit::Resolver, public std::enable_shared_from_this<FileResolver> {
 public:
  FileResolver(const plan::ModuleTree& tree, std::shared_ptr<torch::jit::CompilationUnit> unit, UnrollBudget& budget,
               ForwardNotes& notes)
      : tree_(tree),
        unit_(std::move(unit)),
        imported_(NamesOf(*tree.file)),
        names_(MakeForwardResolver(imported_, std::make_shared<PythonPrelude>(unit_.get()), &notes)),
        budget_(budget) {}

  // `def` with the methods of tensors as Python means them. `self`: the class that it is a method of; null: of none.
  Def WithPythonMethods(const Def& def, const c10::ClassType* self) const {
    return Def(NamePythonMethods(
        def.tree(), [&](const torch::jit::TreeRef& value) { return IsNamespace(value, self, imported_); }));
  }

  std::shared_ptr<SugaredValue> resolveValue(const std::string& name, GraphFunction& method,
                                             const SourceRange& loc) override {
    if (name == kUnrolledRange) return MakeUnrolledRange(budget_);
    const bool has_constructors = plan::HasConstructors(*tree_.file);
    const auto function = tree_.file->functions.find(name);
    if (has_constructors && function != tree_.file->functions.end() && !function->second.takes_self) {
      return Compiled(function->second, loc);
    }
    if (const auto constant = tree_.constants.find(name); constant != tree_.constants.end()) {
      if (auto value = MakeConstant(constant->second, loc, method)) return value;
    }
    if (auto value = names_->resolveValue(name, method, loc)) return value;
    return ExceptionNamed(name);
  }
  c10::TypePtr resolveType(const std::string& name, const SourceRange& loc) override {
    return names_->resolveType(name, loc);
  }

 private:
  static std::map<std::string, std::string> NamesOf(const plan::PythonFile& file) {
    std::map<std::string, std::string> names = file.imports;
    names.emplace("nn", "torch.nn");
    return names;
  }

  std::shared_ptr<SugaredValue> Compiled(const FunctionSource& function, const SourceRange& loc) {
    torch::jit::Function*& compiled = compiled_[function.name];
    if (compiled == nullptr) {
      if (!running_.insert(function.name).second || running_.size() > plan::layer_limits::kMaxFunctionCalls) {
        throw torch::jit::ErrorReport(loc)
            << "the function " << function.name << " calls itself, or functions call one "
            << "another more than " << plan::layer_limits::kMaxFunctionCalls << " deep";
      }
      const Def written = WithTypesOfDefaults(ParseMethod(function));
      CheckDefaults(written, function.file->name);
      const Def def = WithPythonMethods(written, nullptr);
      compiled = unit_->define(c10::QualifiedName("__torch__.torchferry.functions"), /*properties=*/{},
                               /*propResolvers=*/{}, {def}, {shared_from_this()}, /*self=*/nullptr)[0];
      running_.erase(function.name);
    }
    return std::make_shared<torch::jit::FunctionValue>(compiled);
  }

  const plan::ModuleTree& tree_;
  const std::shared_ptr<torch::jit::CompilationUnit> unit_;
  const std::map<std::string, std::string> imported_;
  const torch::jit::ResolverPtr names_;
  UnrollBudget& budget_;
  std::map<std::string, torch::jit::Function*> compiled_;
  std::set<std::string> running_;
};

plan::KeyShapes ShapesOf(const torch::jit::Module& module) {
  plan::KeyShapes shapes;
  for (const auto& parameter : module.named_parameters()) shapes.emplace(parameter.name, parameter.value.sizes().vec());
  for (const auto& buffer : module.named_buffers()) shapes.emplace(buffer.name, buffer.value.sizes().vec());
  return shapes;
}

class Compiler {
 public:
  Compiler(torch::jit::Module& module, const plan::ModuleTree& tree, ForwardNotes& notes)
      : tree_(tree),
        unit_(module._ivalue()->compilation_unit()),
        keys_(ShapesOf(module)),
        file_(std::make_shared<FileResolver>(tree, unit_, budget_, notes)),
        scope_{file_, &keys_, &budget_},
        reachable_(tree.reachable.begin(), tree.reachable.end()) {}

  void Compile(const torch::jit::Module& module, const ModuleNode& node, const std::string& path) {
    for (const std::string& name : node.child_order) {
      Compile(module.attr(name).toModule(), *node.members.at(name).module, Below(path, name));
    }
    std::vector<Def> defs;
    std::vector<torch::jit::ResolverPtr> resolvers;
    std::set<std::string_view> seen;
    size_t tokens = 0;
    for (const plan::ClassSource* type : node.types) {
      for (const auto& [name, function] : type->functions) {
        if (!IsCompiled(function) || !seen.insert(name).second) continue;
        defs.push_back(Parsed(function));
        tokens += function.tokens.end - function.tokens.begin;
        resolvers.push_back(type->file->is_library ? library_ : scope_.resolver);
      }
    }
    if (&node == tree_.root && node.types.empty()) {
      tokens = tree_.file->tokens.size();
      for (Def& def : ParseTopLevel(*tree_.file)) {
        CheckDefaults(def, tree_.file->name);
        defs.push_back(WithTypesOfDefaults(def));
        resolvers.push_back(scope_.resolver);
      }
    }
    if (!node.IsLayer()) {
      for (Def& def : defs) {
        def = file_->WithPythonMethods(Def(UnrollRanges(def.tree(), node)), module.type().get());
      }
    }
    budget_.method_tokens = tokens;
    const LayerSelf self(module.type(), path, node, scope_);
    unit_->define(*module.type()->name(), /*properties=*/{}, /*propResolvers=*/{}, defs, resolvers, &self);
  }

 private:
  bool IsCompiled(const FunctionSource& function) const {
    if (function.name == "__init__" || !function.takes_self) return false;
    if (function.file->is_library) return !function.name.starts_with('_');
    return function.decorator != "property" && reachable_.contains(function.name);
  }

  const Def& Parsed(const FunctionSource& function) {
    const auto known = parsed_.find(&function);
    if (known != parsed_.end()) return known->second;
    const Def def = WithTypesOfDefaults(ParseMethod(function));
    CheckDefaults(def, function.file->name);
    return parsed_.emplace(&function, def).first->second;
  }

  const plan::ModuleTree& tree_;
  const std::shared_ptr<torch::jit::CompilationUnit> unit_;
  const plan::KeyShapes keys_;
  UnrollBudget budget_;
  const std::shared_ptr<FileResolver> file_;
  const LayerScope scope_;
  const torch::jit::ResolverPtr library_ = std::make_shared<LibraryResolver>();
  const std::set<std::string> reachable_;
  std::map<const FunctionSource*, Def> parsed_;
};

void CollectPaths(const ModuleNode& node, const std::string& path, std::vector<std::string>& paths) {
  for (const std::string& name : node.child_order) {
    paths.push_back(Below(path, name));
    CollectPaths(*node.members.at(name).module, std::string(paths.back()), paths);
  }
}

}  // namespace

std::vector<std::string> ModulePaths(const plan::ModuleTree& tree) {
  std::vector<std::string> paths;
  CollectPaths(*tree.root, "", paths);
  return paths;
}

void DefineMethods(torch::jit::Module& module, const plan::ModuleTree& tree, ForwardNotes& notes) {
  Compiler(module, tree, notes).Compile(module, *tree.root, "");
}

}  // namespace torchferry::libtorch
