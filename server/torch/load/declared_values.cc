#include "server/torch/load/declared_values.h"

#include <torch/csrc/jit/frontend/parser.h>
#include <torch/csrc/jit/frontend/tree_views.h>

#include <memory>
#include <vector>

#include "server/base/status.h"

namespace torchferry::libtorch {
namespace {

using torch::jit::TreeRef;

bool IsText(const TreeRef& tree) {
  return tree->kind() == torch::jit::TK_STRINGLITERAL || tree->kind() == torch::jit::TK_CONST;
}

// torch.device("cpu:0"), float("inf"): how saved code spells these values.
bool IsSpeltValue(const torch::jit::Apply& call) {
  if (call.attributes().size() != 0) return false;
  for (const torch::jit::Expr& input : call.inputs()) {
    if (!IsText(input.tree())) return false;
  }
  const torch::jit::Expr callee = call.callee();
  if (callee.kind() == torch::jit::TK_VAR) return torch::jit::Var(callee).name().name() == "float";
  if (callee.kind() != '.') return false;
  const torch::jit::Select select(callee);
  return select.selector().name() == "device" && select.value().kind() == torch::jit::TK_VAR &&
         torch::jit::Var(select.value()).name().name() == "torch";
}

absl::Status CheckValue(const TreeRef& value, const std::string& file) {
  std::vector<TreeRef> trees = {value};
  while (!trees.empty()) {
    const TreeRef tree = trees.back();
    trees.pop_back();
    if (tree->kind() == torch::jit::TK_APPLY && !IsSpeltValue(torch::jit::Apply(tree))) {
      const auto source = tree->range().source();
      const size_t line = source->lineno_for_offset(tree->range().start()) + source->starting_line_no();
      return base::MakeStatus(absl::StatusCode::kDataLoss,
                              "{}:{}: a default value or a class's attribute calls a function, which would run during "
                              "compilation; write a number, text, list, tuple or None",
                              file, line);
    }
    trees.insert(trees.end(), tree->trees().begin(), tree->trees().end());
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckDeclaredValues(const TreeRef& root, const std::string& file) {
  std::vector<TreeRef> trees = {root};
  while (!trees.empty()) {
    const TreeRef tree = trees.back();
    trees.pop_back();
    if (tree->kind() == torch::jit::TK_PARAM) {
      const auto value = torch::jit::Param(tree).defaultValue();
      if (value.present()) FERRY_RETURN_IF_ERROR(CheckValue(value.get().tree(), file));
    }
    if (tree->kind() == torch::jit::TK_CLASS_DEF) {
      for (const torch::jit::Stmt& statement : torch::jit::ClassDef(tree).body()) {
        if (statement.kind() != torch::jit::TK_DEF) FERRY_RETURN_IF_ERROR(CheckValue(statement.tree(), file));
      }
    }
    trees.insert(trees.end(), tree->trees().begin(), tree->trees().end());
  }
  return absl::OkStatus();
}

absl::Status CheckDeclaredValues(const std::string& source, const std::string& file) {
  torch::jit::Parser parser(std::make_shared<torch::jit::Source>(source, file, 1));
  torch::jit::Lexer& lexer = parser.lexer();
  const auto skip_line = [&] {
    while (lexer.cur().kind != torch::jit::TK_NEWLINE && lexer.cur().kind != torch::jit::TK_EOF) lexer.next();
    lexer.nextIf(torch::jit::TK_NEWLINE);
  };
  if (lexer.cur().kind == torch::jit::TK_IDENT && lexer.cur().text() == "op_version_set") skip_line();
  while (lexer.cur().kind == torch::jit::TK_IMPORT) skip_line();
  while (lexer.cur().kind != torch::jit::TK_EOF) {
    const bool is_class = lexer.cur().kind == torch::jit::TK_CLASS_DEF;
    FERRY_RETURN_IF_ERROR(
        CheckDeclaredValues(is_class ? parser.parseClass() : parser.parseFunction(/*is_method=*/false), file));
  }
  return absl::OkStatus();
}

}  // namespace torchferry::libtorch
