#include "server/plan/python_expression.h"

#include <algorithm>
#include <array>
#include <utility>

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/plan/layer_limits.h"

namespace torchferry::plan {
namespace {

struct Operator {
  std::string_view text;
  int level;
};

// How tight each binds; ** binds tighter than signs and is read with them.
constexpr std::array<Operator, 23> kOperators = {
    {{"or", 1}, {"and", 2},    {"<", 4},  {">", 4},  {"<=", 4},  {">=", 4}, {"==", 4},    {"!=", 4},
     {"in", 4}, {"not in", 4}, {"is", 4}, {"|", 5},  {"^", 6},   {"&", 7},  {"<<", 8},    {">>", 8},
     {"+", 9},  {"-", 9},      {"*", 10}, {"/", 10}, {"//", 10}, {"%", 10}, {"is not", 4}}};
constexpr int kNot = 3;
constexpr int kSigns = 11;
constexpr std::array<std::string_view, 12> kKeywords = {"if",  "else",   "for", "while", "lambda", "in",
                                                        "not", "return", "def", "class", "import", "yield"};

class Reader {
 public:
  explicit Reader(TokenCursor& cursor) : cursor_(cursor) {}

  Expr ReadTest(size_t depth) {
    Expr value = ReadBinary(1, depth);
    if (!cursor_.TakeIf("if")) return value;
    Expr test = ReadBinary(1, depth + 1);
    cursor_.Expect("else");
    Expr otherwise = ReadTest(depth + 1);
    return Join(ExprKind::kTernary, "", {std::move(test), std::move(value), std::move(otherwise)});
  }

  Expr ReadTarget() {
    Expr target = ReadSigned(0);
    if (!cursor_.IsText(",")) return target;
    Expr tuple{ExprKind::kTuple, "", target.at, {}, nullptr};
    tuple.parts.push_back(std::move(target));
    while (cursor_.TakeIf(",") && !cursor_.IsText("in")) tuple.parts.push_back(ReadSigned(0));
    tuple.end = cursor_.EndOfLast();
    return tuple;
  }

 private:
  static Expr Join(ExprKind kind, std::string_view text, std::vector<Expr> parts) {
    Expr expr{kind, text, parts[0].at, {}, parts.back().end};
    if (kind == ExprKind::kTernary) expr.at = parts[1].at;
    expr.parts = std::move(parts);
    return expr;
  }

  bool IsTooDeep(size_t depth) {
    if (depth > layer_limits::kMaxExpressionDepth) {
      cursor_.Fail(cursor_.At(), fmt::format("an expression of a constructor nests more than {} deep; give parts of it "
                                             "names",
                                             layer_limits::kMaxExpressionDepth));
    }
    return !cursor_.ok();
  }

  const Operator* TakeOperator(int level) {
    const auto found = std::ranges::find_if(kOperators, [&](const Operator& o) { return cursor_.IsText(o.text); });
    if (found == kOperators.end() || found->level < level) return nullptr;
    cursor_.Take();
    return &*found;
  }

  Expr ReadBinary(int level, size_t depth) {
    if (IsTooDeep(depth)) return {};
    Expr left;
    if (cursor_.IsText("not") && level <= kNot) {
      left = ReadUnary(kNot, depth);
    } else {
      left = ReadSigned(depth);
    }
    size_t count = 0;
    while (cursor_.ok()) {
      const Operator* op = TakeOperator(level);
      if (op == nullptr) return left;
      if (IsTooDeep(depth + ++count)) return {};  // a + b + c nests as it is evaluated
      const std::string_view text = op->text;
      Expr right = ReadBinary(op->level + 1, depth + 1);
      left = Join(ExprKind::kBinary, text, {std::move(left), std::move(right)});
    }
    return left;
  }

  Expr ReadUnary(int level, size_t depth) {
    const ScriptToken sign = cursor_.Take();
    Expr expr{ExprKind::kUnary, sign.text, sign.text.data(), {}, nullptr};
    expr.parts.push_back(level == kNot ? ReadBinary(kNot, depth + 1) : ReadSigned(depth + 1));
    expr.end = expr.parts[0].end;
    return expr;
  }

  Expr ReadSigned(size_t depth) {
    if (IsTooDeep(depth)) return {};
    if (cursor_.IsText("-") || cursor_.IsText("+") || cursor_.IsText("~")) return ReadUnary(kSigns, depth);
    Expr base = ReadPostfix(depth);
    if (!cursor_.TakeIf("**")) return base;
    Expr power = ReadSigned(depth + 1);
    return Join(ExprKind::kBinary, "**", {std::move(base), std::move(power)});
  }

  Expr ReadPostfix(size_t depth) {
    Expr expr = ReadAtom(depth);
    for (size_t count = 1; cursor_.ok(); ++count) {
      Expr next{ExprKind::kMissing, "", expr.at, {}, nullptr};
      if (cursor_.TakeIf(".")) {
        next.kind = ExprKind::kAttribute;
        next.text = cursor_.TakeName();
        next.parts.push_back(std::move(expr));
      } else if (cursor_.TakeIf("(")) {
        next.kind = ExprKind::kCall;
        next.parts.push_back(std::move(expr));
        ReadArguments(next.parts, depth + 1);
      } else if (cursor_.TakeIf("[")) {
        next.kind = ExprKind::kSubscript;
        next.parts.push_back(std::move(expr));
        next.parts.push_back(ReadIndex(depth + 1));
        cursor_.Expect("]");
      } else {
        return expr;
      }
      if (IsTooDeep(depth + count)) return {};
      next.end = cursor_.EndOfLast();
      expr = std::move(next);
    }
    return expr;
  }

  void ReadArguments(std::vector<Expr>& parts, size_t depth) {
    while (cursor_.ok() && !cursor_.TakeIf(")")) {
      const char* at = cursor_.At();
      Expr argument = ReadStarred(depth);
      if (argument.kind == ExprKind::kName && cursor_.TakeIf("=")) {
        Expr keyword{ExprKind::kKeyword, argument.text, at, {}, nullptr};
        keyword.parts.push_back(ReadTest(depth));
        argument = std::move(keyword);
      } else if (cursor_.IsText("for")) {
        argument = ReadComprehension(std::move(argument), depth);
      }
      argument.end = cursor_.EndOfLast();
      parts.push_back(std::move(argument));
      if (cursor_.TakeIf(")")) return;
      cursor_.Expect(",");
    }
  }

  Expr ReadStarred(size_t depth) {
    const char* at = cursor_.At();
    for (const auto& [sign, kind] : {std::pair{"**", ExprKind::kDoubleStar}, std::pair{"*", ExprKind::kStar}}) {
      if (!cursor_.TakeIf(sign)) continue;
      Expr star{kind, "", at, {}, nullptr};
      star.parts.push_back(ReadTest(depth));
      star.end = cursor_.EndOfLast();
      return star;
    }
    return ReadTest(depth);
  }

  // x[a], x[a:b], x[:, None, 0::2]
  Expr ReadIndex(size_t depth) {
    Expr first = ReadSlice(depth);
    if (!cursor_.IsText(",")) return first;
    Expr tuple{ExprKind::kTuple, "", first.at, {}, nullptr};
    tuple.parts.push_back(std::move(first));
    while (cursor_.TakeIf(",") && !cursor_.IsText("]")) tuple.parts.push_back(ReadSlice(depth));
    tuple.end = cursor_.EndOfLast();
    return tuple;
  }

  Expr ReadSlice(size_t depth) {
    const auto is_end = [&] { return cursor_.IsText(":") || cursor_.IsText("]") || cursor_.IsText(","); };
    Expr slice{ExprKind::kSlice, "", cursor_.At(), {}, nullptr};
    slice.parts.push_back(is_end() ? Expr{} : ReadTest(depth));
    if (!cursor_.IsText(":")) return std::move(slice.parts[0]);
    while (cursor_.TakeIf(":") && slice.parts.size() < 3) slice.parts.push_back(is_end() ? Expr{} : ReadTest(depth));
    slice.parts.resize(3);
    return slice;
  }

  // After the first item: `, b, c` up to `end`, which stays.
  Expr ReadRest(ExprKind kind, Expr first, std::string_view end, size_t depth) {
    Expr list{kind, "", first.at, {}, nullptr};
    list.parts.push_back(std::move(first));
    while (cursor_.TakeIf(",") && !cursor_.IsText(end)) list.parts.push_back(ReadStarred(depth));
    list.end = cursor_.EndOfLast();
    return list;
  }

  Expr ReadComprehension(Expr element, size_t depth) {
    Expr result{ExprKind::kComprehension, "", element.at, {}, nullptr};
    result.parts.push_back(std::move(element));
    cursor_.Expect("for");
    result.parts.push_back(ReadTarget());
    cursor_.Expect("in");
    result.parts.push_back(ReadBinary(1, depth));
    result.parts.push_back(cursor_.TakeIf("if") ? ReadBinary(1, depth) : Expr{});
    if (cursor_.IsText("for") || cursor_.IsText("if")) {
      cursor_.Fail(cursor_.At(), "a comprehension of a constructor has one `for` and one `if` at most; write a loop");
    }
    return result;
  }

  Expr ReadBracketed(const char* at, ExprKind kind, std::string_view end, size_t depth) {
    Expr list{kind, "", at, {}, nullptr};
    if (cursor_.TakeIf(end)) return list;
    Expr first = ReadStarred(depth + 1);
    if (cursor_.IsText("for")) {
      list = ReadComprehension(std::move(first), depth + 1);
    } else if (kind == ExprKind::kTuple && !cursor_.IsText(",")) {
      list = std::move(first);
    } else {
      list = ReadRest(kind, std::move(first), end, depth + 1);
    }
    cursor_.Expect(end);
    list.at = at;
    return list;
  }

  Expr ReadDict(const char* at, size_t depth) {
    Expr dict{ExprKind::kDict, "", at, {}, nullptr};
    while (cursor_.ok() && !cursor_.IsText("}")) {
      dict.parts.push_back(ReadTest(depth + 1));
      cursor_.Expect(":");
      dict.parts.push_back(ReadTest(depth + 1));
      if (!cursor_.TakeIf(",")) break;
    }
    cursor_.Expect("}");
    return dict;
  }

  Expr ReadAtom(size_t depth) {
    const ScriptToken token = cursor_.Take();
    const char* at = token.text.data();
    Expr atom{ExprKind::kMissing, token.text, at, {}, at + token.text.size()};
    if (token.kind == ScriptTokenKind::kNumber) {
      atom.kind = ExprKind::kNumber;
    } else if (token.kind == ScriptTokenKind::kString) {
      atom.kind = ExprKind::kText;
      if (cursor_.IsAt(ScriptTokenKind::kString) || cursor_.IsText("f")) return ReadTexts(std::move(atom));
    } else if (token.kind == ScriptTokenKind::kWord && cursor_.IsAt(ScriptTokenKind::kString) &&
               (token.text == "f" || token.text == "F" || token.text == "r")) {
      atom.kind = token.text == "r" ? ExprKind::kText : ExprKind::kFormatted;
      atom.text = cursor_.Take().text;
      if (cursor_.IsAt(ScriptTokenKind::kString) || cursor_.IsText("f")) return ReadTexts(std::move(atom));
    } else if (token.kind == ScriptTokenKind::kWord && std::ranges::find(kKeywords, token.text) == kKeywords.end()) {
      atom.kind = ExprKind::kName;
    } else if (token.text == "...") {
      atom.kind = ExprKind::kName;
      atom.text = "None";  // of a type, Callable[..., nn.Module]
    } else if (token.text == "(" || token.text == "[") {
      const bool is_list = token.text == "[";
      atom = ReadBracketed(at, is_list ? ExprKind::kList : ExprKind::kTuple, is_list ? "]" : ")", depth);
    } else if (token.text == "{") {
      atom = ReadDict(at, depth);
    } else if (token.text == "lambda") {
      cursor_.Fail(at, "a constructor has no lambda; write a function with `def`");
    } else {
      cursor_.Fail(at, token.text.empty()
                           ? "an expression was expected"
                           : fmt::format("{} is no expression of a constructor", checkpoint::Quoted(token.text)));
    }
    atom.end = cursor_.EndOfLast();
    return atom;
  }

  // "a" "b" is "a" + "b".
  Expr ReadTexts(Expr first) {
    while (cursor_.IsAt(ScriptTokenKind::kString) || cursor_.IsText("f")) {
      const ScriptToken token = cursor_.Take();
      Expr next{ExprKind::kText, token.text, token.text.data(), {}, token.text.data() + token.text.size()};
      if (token.kind == ScriptTokenKind::kWord) {
        next.kind = ExprKind::kFormatted;
        next.text = cursor_.Take().text;
      }
      if (IsTooDeep(++texts_)) return {};
      first = Join(ExprKind::kBinary, "+", {std::move(first), std::move(next)});
    }
    return first;
  }

  TokenCursor& cursor_;
  size_t texts_ = 0;
};

}  // namespace

Expr ReadExpression(TokenCursor& cursor, size_t depth) { return Reader(cursor).ReadTest(depth); }

Expr ReadTarget(TokenCursor& cursor) { return Reader(cursor).ReadTarget(); }

Expr ReadExpressions(TokenCursor& cursor, size_t depth) {
  const auto read = [&] {
    const char* at = cursor.At();
    if (!cursor.TakeIf("*")) return ReadExpression(cursor, depth);
    Expr star{ExprKind::kStar, "", at, {}, nullptr};
    star.parts.push_back(ReadExpression(cursor, depth));
    return star;
  };
  Expr first = read();
  if (!cursor.IsText(",")) return first;
  Expr tuple{ExprKind::kTuple, "", first.at, {}, nullptr};
  tuple.parts.push_back(std::move(first));
  const auto is_end = [&] {
    return cursor.IsText("=") || cursor.IsText("in") || cursor.IsText(":") || cursor.IsAt(ScriptTokenKind::kLine) ||
           cursor.IsAt(ScriptTokenKind::kEnd);
  };
  while (cursor.TakeIf(",") && !is_end()) tuple.parts.push_back(read());
  tuple.end = cursor.EndOfLast();
  return tuple;
}

}  // namespace torchferry::plan
