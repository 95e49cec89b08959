#include "server/plan/forward_imports.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/plan/script_lexer.h"

namespace torchferry::plan {
namespace {

using Names = std::map<std::string, std::string>;

constexpr std::array<std::string_view, 9> kKnownModules = {"torch",         "math", "torch.nn",  "torch.nn.functional",
                                                           "torch.nn.init", "copy", "functools", "collections",
                                                           "warnings"};
constexpr std::array<std::string_view, 8> kNamesFrom = {"torch",         "torch.nn", "math",      "torch.nn.parameter",
                                                        "torch.nn.init", "copy",     "functools", "collections"};
constexpr size_t kMaxNames = 1000;

template <size_t N>
bool IsAmong(std::string_view text, const std::array<std::string_view, N>& list) {
  return std::ranges::find(list, text) != list.end();
}

// A statement: its tokens, and where it is in the source. Of a long one the first tokens alone are kept.
struct Statement {
  std::vector<ScriptToken> tokens;
  size_t begin = 0;
  size_t end = 0;
  bool is_whole = true;
};

// Far more than kMaxNames names take.
constexpr size_t kMaxTokens = 8 * kMaxNames;

// One import statement, read from its tokens.
class ImportReader {
 public:
  explicit ImportReader(const Statement& statement) : statement_(statement) {}

  // False when it is none that is known.
  bool Read(Names& names) {
    if (!statement_.is_whole) return false;
    return TakeIf("import") ? ReadImport(names) : TakeIf("from") && ReadFrom(names);
  }

 private:
  bool IsAtEnd() const { return at_ == statement_.tokens.size(); }
  std::string_view Text() const { return IsAtEnd() ? std::string_view() : statement_.tokens[at_].text; }

  bool TakeIf(std::string_view text) {
    if (Text() != text) return false;
    ++at_;
    return true;
  }

  // Empty when the next token is no word.
  std::string TakeWord() {
    if (IsAtEnd() || statement_.tokens[at_].kind != ScriptTokenKind::kWord) return "";
    return std::string(statement_.tokens[at_++].text);
  }

  // "torch.nn"; empty when there is none.
  std::string TakePath() {
    std::string path = TakeWord();
    while (!path.empty() && TakeIf(".")) {
      const std::string part = TakeWord();
      if (part.empty()) return "";
      path.append(".").append(part);
    }
    return path;
  }

  // `as NAME`, or `otherwise`; empty when the name is missing.
  std::string TakeAlias(const std::string& otherwise) { return TakeIf("as") ? TakeWord() : otherwise; }

  // import torch, torch.nn.functional as F
  bool ReadImport(Names& names) {
    do {
      const std::string path = TakePath();
      if (!IsAmong(path, kKnownModules)) return false;
      // `import a.b` binds `a`; with `as`, the whole path.
      const std::string root = path.substr(0, path.find('.'));
      const bool is_renamed = Text() == "as";
      const std::string name = TakeAlias(root);
      if (name.empty()) return false;
      names[name] = is_renamed ? path : root;
    } while (TakeIf(","));
    return IsAtEnd();
  }

  // from torch.nn import (functional as F, )
  bool ReadFrom(Names& names) {
    const std::string from = TakePath();
    if (from.empty() || !TakeIf("import")) return false;
    const bool has_bracket = TakeIf("(");
    bool is_first = true;
    while (is_first || (TakeIf(",") && Text() != ")" && !IsAtEnd())) {
      is_first = false;
      const std::string name = TakeWord();
      const std::string alias = TakeAlias(name);
      if (name.empty() || alias.empty() || !Bind(from, name, alias, names)) return false;
    }
    return (!has_bracket || TakeIf(")")) && IsAtEnd();
  }

  static bool Bind(const std::string& from, const std::string& name, const std::string& alias, Names& names) {
    if (from == "__future__" || from == "typing" || from == "dataclasses") return true;  // the type names are built in
    if (!IsAmong(from, kNamesFrom)) return false;
    if (name == "Tensor") return alias == name;
    names[alias] = from + "." + name;
    return true;
  }

  const Statement& statement_;
  size_t at_ = 0;
};

// The statements that begin at the left margin, and where the tokens end.
class Statements {
 public:
  explicit Statements(std::string_view source) : source_(source), lexer_(source), next_(lexer_.Next()) {}

  // Nothing at the end.
  std::optional<Statement> Next() {
    while (next_.kind == ScriptTokenKind::kLine) {
      is_at_margin_ = next_.indent == 0;
      next_ = lexer_.Next();
    }
    if (IsEnd()) return std::nullopt;
    Statement statement;
    statement.begin = OffsetOf(next_);
    while (!IsEnd() && next_.kind != ScriptTokenKind::kLine) {
      statement.end = OffsetOf(next_) + next_.text.size();
      statement.is_whole = statement.tokens.size() < kMaxTokens;
      if (statement.is_whole) statement.tokens.push_back(next_);
      next_ = lexer_.Next();
    }
    if (next_.kind == ScriptTokenKind::kInvalid) statement.is_whole = false;
    return statement;
  }

  bool IsAtMargin() const { return is_at_margin_; }

 private:
  bool IsEnd() const { return next_.kind == ScriptTokenKind::kEnd || next_.kind == ScriptTokenKind::kInvalid; }
  size_t OffsetOf(const ScriptToken& token) const { return static_cast<size_t>(token.text.data() - source_.data()); }

  std::string_view source_;
  ScriptLexer lexer_;
  ScriptToken next_;
  bool is_at_margin_ = true;
};

bool IsImport(const Statement& statement) {
  const std::string_view first = statement.tokens[0].text;
  return first == "import" || first == "from";
}

// A string alone, or strings in a row, each with a prefix or without.
bool IsDocstring(const Statement& statement) {
  constexpr std::array<std::string_view, 4> kPrefixes = {"r", "R", "u", "U"};
  return statement.is_whole &&
         std::ranges::all_of(statement.tokens,
                             [&](const ScriptToken& token) {
                               return token.kind == ScriptTokenKind::kString || IsAmong(token.text, kPrefixes);
                             }) &&
         statement.tokens.back().kind == ScriptTokenKind::kString;
}

// With one space for each stretch of white space; a message shows no more of it than this.
std::string OneLine(std::string_view text) {
  constexpr size_t kShownBytes = 1000;
  std::string line;
  for (const char c : text.substr(0, kShownBytes)) {
    const bool is_space = c == ' ' || (c >= '\t' && c <= '\r');
    if (!is_space) line += c;
    if (is_space && !line.empty() && line.back() != ' ') line += ' ';
  }
  return line;
}

absl::Status ImportError(std::string_view file, size_t line, std::string_view text) {
  return base::MakeStatus(
      absl::StatusCode::kInvalidArgument,
      "{}:{}:1: {} is not understood; forward.py may import torch, math, torch.nn.functional as F, and names "
      "from typing. Write what you need from it in this file, with torch operators",
      file, line, checkpoint::Quoted(OneLine(text)));
}

}  // namespace

absl::StatusOr<ForwardImports> ReadImports(std::string_view source, std::string_view file) {
  ForwardImports result;
  Statements statements(source);
  size_t copied = 0;
  while (const std::optional<Statement> statement = statements.Next()) {
    if (!statements.IsAtMargin()) continue;
    const std::string_view text = source.substr(statement->begin, statement->end - statement->begin);
    const size_t line = statement->tokens[0].line;
    if (IsImport(*statement)) {
      if (!ImportReader(*statement).Read(result.names)) return ImportError(file, line, text);
      if (result.names.size() > kMaxNames) {
        return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                                "{}:{}:1: more than {} names are imported; import the module instead", file, line,
                                kMaxNames);
      }
    } else if (!IsDocstring(*statement)) {
      continue;
    }
    result.body += source.substr(copied, statement->begin - copied);
    result.body.append(static_cast<size_t>(std::ranges::count(text, '\n')), '\n');
    copied = statement->end;
  }
  result.body += source.substr(copied);
  result.body += '\n';
  return result;
}

}  // namespace torchferry::plan
