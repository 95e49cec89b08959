#include "server/plan/nesting.h"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "server/base/status.h"
#include "server/checkpoint/limits.h"
#include "server/plan/script_lexer.h"

namespace torchferry::plan {
namespace {

// LibTorch's recursion ends the process near 10,000 levels with a stack of 8 MiB.
constexpr size_t kMaxOperators = 1000;  // in one expression: brackets around each other and operators in a row
constexpr size_t kMaxBlocks = 100;
constexpr size_t kMaxElifs = 500;
// LibTorch's lexer calls itself for each comment and each line's end; some 40,000 calls end the process.
constexpr size_t kMaxSkipped = 5000;
// Its time for a list is quadratic in the items: a second for 50,000.
constexpr size_t kMaxItems = 20'000;
// LibTorch compares each new attribute and method of a class with all before it.
constexpr size_t kMaxMembers = limits::kMaxModuleMembers;

class NestingScan {
 public:
  NestingScan(std::string_view source, std::string_view file, CodeSize& size)
      : lexer_(source), file_(file), size_(size) {}

  absl::Status Run() {
    std::optional<size_t> indent;  // of the line that begins with the next token
    while (true) {
      const ScriptToken token = lexer_.Next();
      if (token.skipped > kMaxSkipped) {
        return TooMuch(fmt::format("more than {} comments and ends of lines stand in a row", kMaxSkipped), token);
      }
      const bool is_end = token.kind == ScriptTokenKind::kEnd || token.kind == ScriptTokenKind::kInvalid;
      if (is_end || IsUnopened(token)) return absl::OkStatus();  // the parser reads no further
      if (++size_.tokens > limits::kMaxCodeTokens) {
        return TooMuch(fmt::format("the code has more than {} words and signs up to here", limits::kMaxCodeTokens),
                       token);
      }
      if (token.kind == ScriptTokenKind::kLine) {
        levels_.back() = {};
        total_ = 0;
        indent = token.indent;
        continue;
      }
      if (indent.has_value()) StartLine(*indent, token.text);
      indent.reset();
      Count(token);
      FERRY_RETURN_IF_ERROR(CheckLimits(token));
    }
  }

 private:
  struct Block {
    size_t indent = 0;
    size_t elifs = 0;
    size_t members = 0;  // of a class
    bool is_class = false;
  };

  // Between its brackets, or in a statement.
  struct Level {
    size_t operators = 0;  // since the last comma
    size_t items = 0;      // commas
  };

  absl::Status CheckLimits(const ScriptToken& token) const {
    if (total_ > kMaxOperators) return TooDeep("an expression", kMaxOperators, token);
    if (blocks_.size() > kMaxBlocks) return TooDeep("blocks", kMaxBlocks, token);
    if (blocks_.back().elifs > kMaxElifs) return TooDeep("elifs", kMaxElifs, token);
    if (levels_.back().items > kMaxItems) {
      return TooMuch(fmt::format("a list has more than {} items", kMaxItems), token);
    }
    if (blocks_.back().members > kMaxMembers) {
      return TooMuch(fmt::format("a class has more than {} members", kMaxMembers), token);
    }
    return absl::OkStatus();
  }

  absl::Status TooDeep(std::string_view what, size_t most, const ScriptToken& token) const {
    return TooMuch(fmt::format("{} nest more than {} deep", what, most), token);
  }

  absl::Status TooMuch(std::string_view what, const ScriptToken& token) const {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "{}:{}: {}, which would exhaust the compiler; split them up",
                            file_, token.line, what);
  }

  static bool IsOneOf(const ScriptToken& token, std::string_view signs) {
    return token.kind == ScriptTokenKind::kSign && token.text.size() == 1 &&
           signs.find(token.text[0]) != std::string_view::npos;
  }

  bool IsUnopened(const ScriptToken& token) const { return levels_.size() == 1 && IsOneOf(token, kClosing); }

  // Indentation says how deep blocks nest.
  void StartLine(size_t indent, std::string_view first) {
    while (!blocks_.empty() && blocks_.back().indent > indent) blocks_.pop_back();
    if (blocks_.empty() || blocks_.back().indent < indent) {
      blocks_.push_back({.indent = indent, .is_class = is_class_line_});
    }
    is_class_line_ = first == "class";
    Block& block = blocks_.back();
    if (block.is_class) ++block.members;
    if (first == "elif") {
      ++block.elifs;
    } else if (first != "else") {
      block.elifs = 0;
    }
  }

  void Count(const ScriptToken& token) {
    constexpr std::array<std::string_view, 11> kOperators = {"not", "and", "or",     "if",     "else",  "in",
                                                             "is",  "for", "is not", "not in", "lambda"};
    if (IsOneOf(token, kOpening)) {
      CountOperator();
      levels_.emplace_back();
    } else if (IsOneOf(token, kClosing)) {
      total_ -= levels_.back().operators;
      levels_.pop_back();
    } else if (IsOneOf(token, ",")) {
      total_ -= levels_.back().operators;
      levels_.back().operators = 0;
      ++levels_.back().items;
    } else if (token.kind == ScriptTokenKind::kSign ||
               (token.kind == ScriptTokenKind::kWord &&
                std::ranges::find(kOperators, token.text) != kOperators.end())) {
      CountOperator();
    }
  }

  void CountOperator() {
    ++levels_.back().operators;
    ++total_;
  }

  static constexpr std::string_view kOpening = "([{";
  static constexpr std::string_view kClosing = ")]}";

  ScriptLexer lexer_;
  const std::string_view file_;
  CodeSize& size_;
  std::vector<Level> levels_ = std::vector<Level>(1);  // of the statement, then by bracket
  size_t total_ = 0;                                   // of their operators
  std::vector<Block> blocks_;
  bool is_class_line_ = false;
};

}  // namespace

absl::Status CheckNesting(std::string_view source, std::string_view file, CodeSize& size) {
  return NestingScan(source, file, size).Run();
}

}  // namespace torchferry::plan
