#include "server/torch/load/unrolled_ranges.h"

#include <torch/csrc/jit/frontend/error_report.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/ir.h>

#include <string>
#include <utility>
#include <vector>

#include "server/plan/layer_limits.h"

namespace torchferry::libtorch {
namespace {

using plan::ModuleNode;
using torch::jit::ErrorReport;
using torch::jit::GraphFunction;
using torch::jit::NamedValue;
using torch::jit::SourceRange;
using torch::jit::SugaredValue;
using torch::jit::TreeRef;

constexpr int64_t kMaxTurns = 1000;

// The module that `tree` names (self, self.a.b), null when it names none that a constructor made.
const ModuleNode* NodeAt(const TreeRef& tree, const ModuleNode& self) {
  if (tree->kind() == torch::jit::TK_VAR) return torch::jit::Var(tree).name().name() == "self" ? &self : nullptr;
  if (tree->kind() != '.') return nullptr;
  const torch::jit::Select select(tree);
  const ModuleNode* base = NodeAt(select.value().tree(), self);
  if (base == nullptr) return nullptr;
  const auto member = base->members.find(select.selector().name());
  return member != base->members.end() && member->second.Is(plan::ValueKind::kModule) ? member->second.module : nullptr;
}

bool Mentions(const TreeRef& tree, const std::string& name) {
  if (tree->kind() == torch::jit::TK_VAR && torch::jit::Var(tree).name().name() == name) return true;
  for (const TreeRef& child : tree->trees()) {
    if (Mentions(child, name)) return true;
  }
  return false;
}

bool ChoosesModules(const TreeRef& tree, const std::string& variable, const ModuleNode& self) {
  if (tree->kind() == torch::jit::TK_SUBSCRIPT) {
    const torch::jit::Subscript subscript(tree);
    const ModuleNode* module = NodeAt(subscript.value().tree(), self);
    if (module != nullptr && module->IsContainer() && Mentions(subscript.subscript_exprs().tree(), variable))
      return true;
  }
  for (const TreeRef& child : tree->trees()) {
    if (ChoosesModules(child, variable, self)) return true;
  }
  return false;
}

// A number that stays known: LibTorch keeps a plain constant in a variable, whose value its compiler does not see.
class StaticNumber final : public SugaredValue {
 public:
  explicit StaticNumber(int64_t number) : number_(number) {}
  std::string kind() const override { return "number"; }
  torch::jit::Value* asValue(const SourceRange& loc, GraphFunction& method) override {
    return method.graph()->insertConstant(number_, loc);
  }

 private:
  const int64_t number_;
};

// len(self.layers) as the number that it is.
TreeRef WithLength(const TreeRef& tree, const ModuleNode& node) {
  const torch::jit::Apply call(tree);
  const bool is_len = call.callee().kind() == torch::jit::TK_VAR && call.inputs().size() == 1 &&
                      torch::jit::Var(call.callee()).name().name() == "len";
  if (!is_len) return tree;
  const ModuleNode* module = NodeAt(call.inputs()[0].tree(), node);
  if (module == nullptr || !module->IsContainer()) return tree;
  return torch::jit::Const::create(call.range(), std::to_string(module->child_order.size())).tree();
}

class UnrolledRange final : public SugaredValue {
 public:
  explicit UnrolledRange(UnrollBudget& budget) : budget_(budget) {}
  std::string kind() const override { return "range"; }

  std::shared_ptr<SugaredValue> call(const SourceRange& loc, GraphFunction& method, at::ArrayRef<NamedValue> args,
                                     at::ArrayRef<NamedValue> kwargs, size_t) override {
    std::vector<int64_t> bounds;
    for (const NamedValue& argument : args) {
      const std::optional<int64_t> bound = StaticInt(argument.value(*method.graph()));
      if (!bound.has_value()) {
        throw ErrorReport(loc) << "this loop chooses modules by its number, so its range must be known at load: write "
                                  "len(self.layers), or a number that the constructor assigns";
      }
      bounds.push_back(*bound);
    }
    if (bounds.empty() || bounds.size() > 3 || !kwargs.empty() || (bounds.size() == 3 && bounds[2] == 0)) {
      throw ErrorReport(loc) << "range takes one to three numbers, and no step of 0";
    }
    const int64_t begin = bounds.size() == 1 ? 0 : bounds[0];
    const int64_t end = bounds.size() == 1 ? bounds[0] : bounds[1];
    const int64_t step = bounds.size() == 3 ? bounds[2] : 1;
    std::vector<std::shared_ptr<SugaredValue>> numbers;
    for (int64_t i = begin; step > 0 ? i < end : i > end; i += step) {
      if (static_cast<int64_t>(numbers.size()) >= kMaxTurns) {
        throw ErrorReport(loc) << "a loop that chooses modules has more than " << kMaxTurns << " turns";
      }
      numbers.push_back(std::make_shared<StaticNumber>(i));
    }
    budget_.Spend(numbers.size(), loc);
    return std::make_shared<torch::jit::SugaredTupleValue>(std::move(numbers));
  }

 private:
  UnrollBudget& budget_;
};

}  // namespace

TreeRef UnrollRanges(const TreeRef& tree, const ModuleNode& node) {
  TreeRef mapped = tree->map([&](const TreeRef& child) { return UnrollRanges(child, node); });
  if (mapped->kind() == torch::jit::TK_APPLY) return WithLength(mapped, node);
  if (mapped->kind() != torch::jit::TK_FOR) return mapped;
  torch::jit::For loop(mapped);
  if (loop.targets().size() > 1) {
    const SourceRange& range = loop.targets().range();
    const torch::jit::Expr tuple = torch::jit::TupleLiteral::create(range, loop.targets());
    loop = torch::jit::For::create(loop.range(), torch::jit::List<torch::jit::Expr>::create(range, {tuple}),
                                   loop.itrs(), loop.body());
    mapped = loop.tree();
  }
  if (loop.itrs().size() != 1 || loop.targets().size() != 1) return mapped;
  const torch::jit::Expr iterable = loop.itrs()[0];
  const torch::jit::Expr target = loop.targets()[0];
  if (iterable.kind() != torch::jit::TK_APPLY || target.kind() != torch::jit::TK_VAR) return mapped;
  const torch::jit::Apply call(iterable);
  const bool is_range =
      call.callee().kind() == torch::jit::TK_VAR && torch::jit::Var(call.callee()).name().name() == "range";
  if (!is_range || !ChoosesModules(loop.body().tree(), torch::jit::Var(target).name().name(), node)) return mapped;
  const SourceRange& range = call.range();
  const auto callee = torch::jit::Var::create(range, torch::jit::Ident::create(range, kUnrolledRange));
  const torch::jit::Expr unrolled = torch::jit::Apply::create(range, callee, call.inputs(), call.attributes());
  return torch::jit::For::create(loop.range(), loop.targets(),
                                 torch::jit::List<torch::jit::Expr>::create(loop.itrs().range(), {unrolled}),
                                 loop.body())
      .tree();
}

void UnrollBudget::Spend(size_t turns, const SourceRange& loc) {
  spent += turns * method_tokens;
  if (spent <= plan::layer_limits::kMaxUnrolledTokens) return;
  throw ErrorReport(loc) << "loops over modules are compiled once for each turn, and make more than "
                         << plan::layer_limits::kMaxUnrolledTokens
                         << " words and signs in all; write shorter methods, or fewer loops in loops";
}

std::shared_ptr<SugaredValue> MakeUnrolledRange(UnrollBudget& budget) {
  return std::make_shared<UnrolledRange>(budget);
}

std::optional<int64_t> StaticInt(const torch::jit::Value* value, size_t depth) {
  constexpr size_t kMaxDepth = 20;
  const std::optional<c10::IValue> constant = torch::jit::toIValue(value);
  if (constant.has_value()) return constant->isInt() ? std::optional(constant->toInt()) : std::nullopt;
  const torch::jit::Node* node = value->node();
  if (depth > kMaxDepth || node->inputs().size() != 2) return std::nullopt;
  const std::optional<int64_t> a = StaticInt(node->inputs()[0], depth + 1);
  const std::optional<int64_t> b = StaticInt(node->inputs()[1], depth + 1);
  int64_t result = 0;
  if (!a.has_value() || !b.has_value()) return std::nullopt;
  if (node->kind() == c10::aten::add && !__builtin_add_overflow(*a, *b, &result)) return result;
  if (node->kind() == c10::aten::sub && !__builtin_sub_overflow(*a, *b, &result)) return result;
  if (node->kind() == c10::aten::mul && !__builtin_mul_overflow(*a, *b, &result)) return result;
  if (node->kind() == c10::aten::floordiv && *a >= 0 && *b > 0) return *a / *b;
  return std::nullopt;
}

}  // namespace torchferry::libtorch
