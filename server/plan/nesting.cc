#include "server/plan/nesting.h"

#include <algorithm>
#include <cctype>
#include <string>
#include <vector>

#include "server/base/status.h"

namespace torchferry::plan {
namespace {

// LibTorch's recursion ends the process near 10,000 levels with a stack of 8 MiB.
constexpr size_t kMostOperators = 1000;  // in one expression: brackets around each other and operators in a row
constexpr size_t kMostBlocks = 100;
constexpr size_t kMostElifs = 500;

bool IsWordChar(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

class NestingScan {
 public:
  NestingScan(std::string_view source, std::string_view file) : source_(source), file_(file) {}

  absl::Status Run() {
    while (at_ < source_.size()) {
      if (is_line_start_) {
        StartLine();
        continue;
      }
      const size_t begin = at_;
      Step();
      if (Depth() > kMostOperators) return TooDeep("an expression", kMostOperators);
      if (blocks_.size() > kMostBlocks) return TooDeep("blocks", kMostBlocks);
      if (!blocks_.empty() && blocks_.back().elifs > kMostElifs) return TooDeep("elifs", kMostElifs);
      line_ += static_cast<size_t>(std::count(source_.begin() + begin, source_.begin() + at_, '\n'));
    }
    return absl::OkStatus();
  }

 private:
  struct Block {
    size_t indent;
    size_t elifs;
  };

  size_t Depth() const { return total_; }

  absl::Status TooDeep(std::string_view what, size_t most) const {
    return base::MakeStatus(absl::StatusCode::kDataLoss,
                            "{}:{}: {} nest more than {} deep, which would exhaust the compiler; split them up", file_,
                            line_, what, most);
  }

  // Indentation says how deep blocks nest; blank lines and comments do not count.
  void StartLine() {
    is_line_start_ = false;
    size_t indent = 0;
    while (at_ < source_.size() && (source_[at_] == ' ' || source_[at_] == '\t')) {
      indent += source_[at_++] == '\t' ? 8 : 1;
    }
    if (at_ == source_.size() || source_[at_] == '\n' || source_[at_] == '#' || source_[at_] == '\r') return;
    while (!blocks_.empty() && blocks_.back().indent > indent) blocks_.pop_back();
    if (blocks_.empty() || blocks_.back().indent < indent) blocks_.push_back({indent, 0});
    const std::string_view rest = source_.substr(at_);
    if (rest.starts_with("elif")) {
      ++blocks_.back().elifs;
    } else if (!rest.starts_with("else")) {
      blocks_.back().elifs = 0;
    }
  }

  void Step() {
    const char c = source_[at_];
    if (c == '#') {
      at_ = std::min(source_.find('\n', at_), source_.size());
    } else if (c == '"' || c == '\'') {
      SkipString(c);
    } else if (IsWordChar(c)) {
      TakeWord();
    } else if (c == '\\') {
      at_ = std::min(at_ + 2, source_.size());  // a line that goes on
    } else {
      TakeSign(c);
      ++at_;
    }
  }

  void SkipString(char quote) {
    const std::string_view rest = source_.substr(at_);
    const std::string triple(3, quote);
    const bool is_triple = rest.starts_with(triple);
    size_t end = at_ + (is_triple ? 3 : 1);
    while (end < source_.size()) {
      if (source_[end] == '\\') {
        end += 2;
      } else if (is_triple ? source_.substr(end).starts_with(triple) : source_[end] == quote || source_[end] == '\n') {
        end += is_triple ? 3 : source_[end] == quote ? 1 : 0;
        break;
      } else {
        ++end;
      }
    }
    at_ = std::min(end, source_.size());
  }

  void TakeWord() {
    constexpr std::string_view kOperators[] = {"not", "and", "or", "if", "else", "in", "is", "for", "lambda"};
    const size_t begin = at_;
    while (at_ < source_.size() && IsWordChar(source_[at_])) ++at_;
    if (std::ranges::find(kOperators, source_.substr(begin, at_ - begin)) != std::end(kOperators)) CountOperator();
  }

  void TakeSign(char c) {
    constexpr std::string_view kOperators = "+-*/%@&|^~<>=!.";
    if (c == '\n') {
      if (levels_.size() > 1) return;  // inside brackets
      levels_.back() = total_ = 0;
      is_line_start_ = true;
    } else if (c == '(' || c == '[' || c == '{') {
      CountOperator();
      levels_.push_back(0);
    } else if (c == ')' || c == ']' || c == '}') {
      if (levels_.size() == 1) return;  // the parser will say so
      total_ -= levels_.back();
      levels_.pop_back();
    } else if (c == ',') {
      total_ -= levels_.back();
      levels_.back() = 0;
    } else if (kOperators.find(c) != std::string_view::npos) {
      CountOperator();
    }
  }

  void CountOperator() {
    ++levels_.back();
    ++total_;
  }

  const std::string_view source_;
  const std::string_view file_;
  size_t at_ = 0;
  size_t line_ = 1;
  bool is_line_start_ = true;
  std::vector<size_t> levels_ = {0};  // operators since the last comma, by bracket
  size_t total_ = 0;                  // their sum
  std::vector<Block> blocks_;
};

}  // namespace

absl::Status CheckNesting(std::string_view source, std::string_view file) { return NestingScan(source, file).Run(); }

}  // namespace torchferry::plan
