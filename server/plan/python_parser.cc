#include "server/plan/python_parser.h"

#include <algorithm>
#include <array>
#include <utility>

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/plan/layer_limits.h"
#include "server/plan/python_expression.h"
#include "server/plan/token_cursor.h"

namespace torchferry::plan {
namespace {

std::span<const ScriptToken> TokensOf(const PythonFile& file, TokenRange range) {
  return std::span(file.tokens).subspan(range.begin, range.end - range.begin);
}

bool IsAugmented(std::string_view text) {
  constexpr std::array<std::string_view, 5> kSigns = {"+=", "-=", "*=", "/=", "**="};
  return std::ranges::find(kSigns, text) != kSigns.end();
}

class StatementReader {
 public:
  explicit StatementReader(TokenCursor& cursor) : cursor_(cursor) {}

  ParsedFunction ReadFunction() {
    ParsedFunction function;
    cursor_.Expect("def");
    cursor_.TakeName();
    cursor_.Expect("(");
    ReadParameters(function.parameters);
    if (cursor_.TakeIf("->")) (void)ReadExpression(cursor_);
    function.body = ReadBlock(0);
    return function;
  }

  Stmt ReadStatement() { return ReadSimple(); }

 private:
  void ReadParameters(std::vector<Parameter>& parameters) {
    bool is_keyword_only = false;
    while (cursor_.ok() && !cursor_.TakeIf(")")) {
      Parameter parameter;
      if (cursor_.TakeIf("*")) {
        parameter.kind = ExprKind::kStar;
        is_keyword_only = true;
        if (cursor_.TakeIf(",")) continue;  // a mark alone
      } else if (cursor_.TakeIf("**")) {
        parameter.kind = ExprKind::kDoubleStar;
      }
      parameter.is_keyword_only = is_keyword_only && parameter.kind == ExprKind::kName;
      parameter.name = cursor_.TakeName();
      if (cursor_.TakeIf(":")) (void)ReadExpression(cursor_);
      if (cursor_.TakeIf("=")) {
        parameter.has_default = true;
        parameter.value = ReadExpression(cursor_);
      }
      parameters.push_back(std::move(parameter));
      if (cursor_.TakeIf(")")) return;
      cursor_.Expect(",");
    }
  }

  // `:` and what belongs to it, on the same line or on the lines below, which stand further to the right.
  std::vector<Stmt> ReadBlock(size_t depth) {
    std::vector<Stmt> block;
    cursor_.Expect(":");
    SkipTypeComment();
    if (depth > layer_limits::kMaxBlockDepth) {
      cursor_.Fail(cursor_.At(),
                   fmt::format("blocks of a constructor nest more than {} deep", layer_limits::kMaxBlockDepth));
    }
    if (!cursor_.IsAt(ScriptTokenKind::kLine)) {
      if (cursor_.ok()) block.push_back(ReadSimple());
      return block;
    }
    const size_t indent = cursor_.Peek().indent;
    while (cursor_.IsAt(ScriptTokenKind::kLine) && cursor_.Peek().indent == indent) {
      cursor_.Take();
      if (cursor_.IsAt(ScriptTokenKind::kEnd) || cursor_.IsAt(ScriptTokenKind::kLine)) break;
      block.push_back(ReadCompound(indent, depth));
    }
    return block;
  }

  Stmt ReadCompound(size_t indent, size_t depth) {
    const char* at = cursor_.At();
    Stmt stmt;
    stmt.at = at;
    if (cursor_.TakeIf("if")) {
      stmt.kind = StmtKind::kIf;
      do {
        stmt.exprs.push_back(ReadExpression(cursor_));
        stmt.blocks.push_back(ReadBlock(depth + 1));
      } while (TakeOnNextLine("elif", indent));
      if (TakeOnNextLine("else", indent)) stmt.blocks.push_back(ReadBlock(depth + 1));
    } else if (cursor_.TakeIf("for")) {
      stmt.kind = StmtKind::kFor;
      stmt.exprs.push_back(ReadTarget(cursor_));
      cursor_.Expect("in");
      stmt.exprs.push_back(ReadExpressions(cursor_));
      stmt.blocks.push_back(ReadBlock(depth + 1));
    } else if (cursor_.TakeIf("with")) {
      // with torch.no_grad():
      stmt.kind = StmtKind::kIf;
      (void)ReadExpression(cursor_);
      stmt.exprs.push_back({ExprKind::kName, "True", at, {}, at});
      stmt.blocks.push_back(ReadBlock(depth + 1));
    } else {
      return ReadSimple();
    }
    return stmt;
  }

  bool TakeOnNextLine(std::string_view word, size_t indent) {
    if (!cursor_.IsAt(ScriptTokenKind::kLine) || cursor_.Peek().indent != indent) return false;
    TokenCursor ahead = cursor_;
    ahead.Take();
    if (!ahead.IsText(word)) return false;
    cursor_.Take();
    cursor_.Take();
    return true;
  }

  Stmt ReadSimple() {
    Stmt stmt;
    stmt.at = cursor_.At();
    if (cursor_.TakeIf("pass")) {
      stmt.kind = StmtKind::kPass;
    } else if (cursor_.TakeIf("break")) {
      stmt.kind = StmtKind::kBreak;
    } else if (cursor_.TakeIf("continue")) {
      stmt.kind = StmtKind::kContinue;
    } else if (cursor_.TakeIf("return")) {
      stmt.kind = StmtKind::kReturn;
      if (!IsAtEnd()) stmt.exprs.push_back(ReadExpressions(cursor_));
    } else if (cursor_.TakeIf("raise")) {
      stmt.kind = StmtKind::kRaise;
      if (!IsAtEnd()) stmt.exprs.push_back(ReadExpression(cursor_));
    } else if (cursor_.TakeIf("assert")) {
      stmt.kind = StmtKind::kAssert;
      stmt.exprs.push_back(ReadExpressions(cursor_));
    } else {
      ReadAssignment(stmt);
    }
    SkipTypeComment();
    if (cursor_.ok() && !IsAtEnd()) {
      cursor_.Fail(cursor_.At(), fmt::format("{} is not understood in a constructor; it may have assignments, calls, "
                                             "if, for and return",
                                             checkpoint::Quoted(cursor_.Text())));
    }
    return stmt;
  }

  void ReadAssignment(Stmt& stmt) {
    constexpr std::array<std::string_view, 9> kOther = {"while", "def", "class",  "try",     "import",
                                                        "from",  "del", "global", "nonlocal"};
    if (cursor_.IsAt(ScriptTokenKind::kWord) && std::ranges::find(kOther, cursor_.Text()) != kOther.end()) {
      cursor_.Fail(cursor_.At(),
                   fmt::format("a constructor has no {}; it may have assignments, calls, if, for and return",
                               checkpoint::Quoted(cursor_.Text())));
      return;
    }
    stmt.kind = StmtKind::kExpression;
    stmt.exprs.push_back(ReadExpressions(cursor_));
    if (cursor_.TakeIf(":")) {  // an annotation
      (void)ReadExpression(cursor_);
      if (IsAtEnd()) stmt = Stmt{StmtKind::kPass, stmt.at, "", {}, {}};
    }
    if (IsAugmented(cursor_.Text()) && cursor_.IsAt(ScriptTokenKind::kSign)) {
      stmt.kind = StmtKind::kAugmented;
      stmt.text = cursor_.Take().text;
      stmt.exprs.push_back(ReadExpressions(cursor_));
    }
    while (stmt.kind != StmtKind::kAugmented && cursor_.TakeIf("=")) {
      stmt.kind = StmtKind::kAssign;
      stmt.exprs.push_back(ReadExpressions(cursor_));
    }
  }

  bool IsAtEnd() const { return cursor_.IsAt(ScriptTokenKind::kLine) || cursor_.IsAt(ScriptTokenKind::kEnd); }

  void SkipTypeComment() {
    if (!cursor_.IsText("# type:")) return;
    while (!IsAtEnd()) cursor_.Take();
  }

  TokenCursor& cursor_;
};

}  // namespace

std::string PlaceOf(const PythonFile& file, const char* at) {
  const std::string_view text = file.text;
  const size_t offset = at == nullptr || at < text.data() ? 0 : std::min<size_t>(at - text.data(), text.size());
  const std::string_view before = text.substr(0, offset);
  const size_t line_begin = before.rfind('\n') + 1;  // npos + 1 is 0
  return fmt::format("{}:{}:{}", file.name, std::ranges::count(before, '\n') + 1, offset - line_begin + 1);
}

absl::StatusOr<ParsedFunction> ParseFunction(const FunctionSource& function) {
  TokenCursor cursor(*function.file, TokensOf(*function.file, function.tokens));
  ParsedFunction parsed = StatementReader(cursor).ReadFunction();
  if (cursor.ok() && !cursor.IsAt(ScriptTokenKind::kEnd)) {
    cursor.TakeIf("");
    if (!cursor.IsAt(ScriptTokenKind::kLine) || cursor.Peek().indent > 0) {
      cursor.Fail(cursor.At(), "the indentation is not that of a block around it");
    }
  }
  if (!cursor.ok()) return cursor.status();
  return parsed;
}

absl::StatusOr<Stmt> ParseStatement(const PythonFile& file, TokenRange tokens) {
  TokenCursor cursor(file, TokensOf(file, tokens));
  Stmt stmt = StatementReader(cursor).ReadStatement();
  if (!cursor.ok()) return cursor.status();
  return stmt;
}

absl::StatusOr<std::vector<Expr>> ParseExpressions(const PythonFile& file, TokenRange tokens) {
  TokenCursor cursor(file, TokensOf(file, tokens));
  std::vector<Expr> exprs;
  while (cursor.ok() && !cursor.IsAt(ScriptTokenKind::kEnd)) {
    exprs.push_back(ReadExpression(cursor));
    if (cursor.TakeIf("=")) (void)ReadExpression(cursor);  // metaclass=…
    if (!cursor.TakeIf(",")) break;
  }
  if (!cursor.ok()) return cursor.status();
  return exprs;
}

absl::StatusOr<Expr> ParseInside(const PythonFile& file, std::string_view text) {
  std::vector<ScriptToken> tokens;
  ScriptLexer lexer(text);
  for (ScriptToken token = lexer.Next(); token.kind != ScriptTokenKind::kEnd; token = lexer.Next()) {
    if (token.kind == ScriptTokenKind::kInvalid) break;
    if (token.kind != ScriptTokenKind::kLine) tokens.push_back(token);
  }
  TokenCursor cursor(file, tokens);
  Expr expr = ReadExpression(cursor);
  if (!cursor.ok()) return cursor.status();
  return expr;
}

}  // namespace torchferry::plan
