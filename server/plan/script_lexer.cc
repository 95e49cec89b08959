#include "server/plan/script_lexer.h"

#include <algorithm>
#include <array>

namespace torchferry::plan {
namespace {

// Longest first.
constexpr std::array<std::string_view, 23> kLongSigns = {
    "# type:", "<=>", "<<=", ">>=", "**=", "...", "!=", "==", "<=", ">=", "//", "<<",
    ">>",      "+=",  "-=",  "*=",  "/=",  "%=",  "|=", "&=", "^=", "**", "->"};
constexpr std::string_view kSigns = "+-*/%@()[]:,={}><.?!&^|~";
// Keywords of two words; what follows the last letter does not matter.
constexpr std::array<std::string_view, 2> kWordPairs = {"is not", "not in"};
constexpr std::string_view kTypeComment = "# type:";

// As in the C locale, whatever this process has.
constexpr bool IsDigit(char c) { return c >= '0' && c <= '9'; }
constexpr bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
constexpr bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f'; }
constexpr bool IsHexDigit(char c) { return IsDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

template <typename Predicate>
size_t CountWhile(std::string_view text, size_t from, Predicate predicate) {
  size_t end = from;
  while (end < text.size() && predicate(text[end])) ++end;
  return end - from;
}

// `mark` with digits after it, "e-5"; 0 when there is none.
size_t ExponentSize(std::string_view text, size_t from, char mark) {
  if (from >= text.size() || (text[from] | 0x20) != mark) return 0;
  size_t digits = from + 1;
  if (digits < text.size() && (text[digits] == '+' || text[digits] == '-')) ++digits;
  const size_t count = CountWhile(text, digits, IsDigit);
  return count == 0 ? 0 : digits + count - from;
}

// Digits with at most one point among them; 0 when there is no digit.
template <typename Predicate>
size_t MantissaSize(std::string_view text, size_t from, Predicate is_digit) {
  const size_t whole = CountWhile(text, from, is_digit);
  size_t end = from + whole;
  if (end >= text.size() || text[end] != '.') return whole;
  const size_t fraction = CountWhile(text, end + 1, is_digit);
  return whole + fraction == 0 ? 0 : whole + 1 + fraction;
}

// What strtod takes: LibTorch asks it. Hexadecimal floats are among that.
size_t NumberSize(std::string_view text) {
  size_t size = 0;
  if (text.size() > 2 && text[0] == '0' && (text[1] | 0x20) == 'x') {
    size = MantissaSize(text, 2, IsHexDigit);
    if (size > 0) size += 2;
    if (size > 0) size += ExponentSize(text, size, 'p');
  }
  if (size == 0) {
    size = MantissaSize(text, 0, IsDigit);
    if (size > 0) size += ExponentSize(text, size, 'e');
  }
  if (size > 0 && size < text.size() && text[size] == 'j') ++size;
  return size;
}

// 0 for a string that does not end.
size_t StringSize(std::string_view text) {
  const char quote = text[0];
  const bool is_triple = text.size() >= 3 && text[1] == quote && text[2] == quote;
  const size_t quotes = is_triple ? 3 : 1;
  const auto ends_at = [&](size_t at) {
    return text[at] == quote &&
           (!is_triple || (at + 2 < text.size() && text[at + 1] == quote && text[at + 2] == quote));
  };
  for (size_t at = quotes; at < text.size(); ++at) {
    if (ends_at(at)) return at + quotes;
    if (text[at] == '\n' && !is_triple) return 0;
    if (text[at] == '\\') ++at;
  }
  return 0;
}

size_t WordSize(std::string_view text) {
  for (const std::string_view pair : kWordPairs) {
    if (text.starts_with(pair)) return pair.size();
  }
  return CountWhile(text, 0, [](char c) { return IsLetter(c) || IsDigit(c); });
}

size_t SignSize(std::string_view text) {
  for (const std::string_view sign : kLongSigns) {
    if (text.starts_with(sign)) return sign.size();
  }
  return kSigns.find(text[0]) == std::string_view::npos ? 0 : 1;
}

}  // namespace

size_t ScriptLexer::SkipBlanks(size_t& start) {
  for (size_t skipped = 0;; ++skipped) {
    start = at_;
    at_ += CountWhile(source_, at_, IsBlank);
    if (at_ == source_.size()) return skipped;
    const std::string_view rest = source_.substr(at_);
    if (rest[0] == '#' && !rest.starts_with(kTypeComment)) {
      at_ = std::min(source_.find('\n', at_), source_.size());
    } else if (rest.starts_with("\\\n") && !is_line_start_) {
      at_ += 2;
      ++line_;
    } else if (rest[0] == '\n') {
      ++at_;
      ++line_;
      is_line_start_ = brackets_ == 0;
    } else {
      return skipped;
    }
  }
}

ScriptToken ScriptLexer::Take(ScriptTokenKind kind, size_t begin, size_t size) {
  const ScriptToken token{kind, source_.substr(begin, size), line_, 0, 0};
  at_ = begin + size;
  line_ += static_cast<size_t>(std::ranges::count(token.text, '\n'));
  return token;
}

ScriptToken ScriptLexer::Next() {
  if (is_invalid_) return Take(ScriptTokenKind::kInvalid, at_, 0);
  size_t start = at_;
  const size_t skipped = SkipBlanks(start);
  ScriptToken token = TakeToken(start);
  token.skipped = skipped;
  return token;
}

ScriptToken ScriptLexer::TakeToken(size_t start) {
  if (is_line_start_) {
    is_line_start_ = false;
    ScriptToken token = Take(ScriptTokenKind::kLine, at_, 0);
    token.indent = at_ - start;
    return token;
  }
  if (at_ == source_.size()) return Take(ScriptTokenKind::kEnd, at_, 0);
  const std::string_view rest = source_.substr(at_);
  if (const size_t size = NumberSize(rest); size > 0) return Take(ScriptTokenKind::kNumber, at_, size);
  if (rest[0] == '"' || rest[0] == '\'') {
    if (const size_t size = StringSize(rest); size > 0) return Take(ScriptTokenKind::kString, at_, size);
  } else if (IsLetter(rest[0])) {
    return Take(ScriptTokenKind::kWord, at_, WordSize(rest));
  } else if (const size_t size = SignSize(rest); size > 0) {
    constexpr std::string_view kOpening = "([{";
    constexpr std::string_view kClosing = ")]}";
    if (kOpening.find(rest[0]) != std::string_view::npos) ++brackets_;
    if (kClosing.find(rest[0]) != std::string_view::npos) --brackets_;
    return Take(ScriptTokenKind::kSign, at_, size);
  }
  is_invalid_ = true;
  return Take(ScriptTokenKind::kInvalid, at_, 0);
}

}  // namespace torchferry::plan
