#include "server/plan/raw_strings.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <string_view>

namespace torchferry::plan {
namespace {

bool IsWordCharacter(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// Behind the string that begins with the quote at `begin`; the end of the text, or of the line, where it has no end.
size_t EndOfString(std::string_view source, size_t begin) {
  const std::string_view quote = source.substr(begin, 1);
  const bool is_long = source.substr(begin, 3) == std::string(3, quote[0]);
  const size_t length = is_long ? 3 : 1;
  for (size_t i = begin + length; i < source.size(); ++i) {
    if (source[i] == '\\') {
      ++i;
    } else if (!is_long && source[i] == '\n') {
      return i;
    } else if (source.substr(i, length) == source.substr(begin, length)) {
      return i + length;
    }
  }
  return source.size();
}

bool HasPrefix(std::string_view source, size_t quote) {
  if (quote == 0 || std::string_view("rRuU").find(source[quote - 1]) == std::string_view::npos) return false;
  return quote == 1 || !IsWordCharacter(source[quote - 2]);
}

}  // namespace

std::string WithoutStringPrefixes(std::string source) {
  for (size_t i = 0; i < source.size();) {
    if (source[i] == '#') {
      i = std::min(source.find('\n', i), source.size());
    } else if (source[i] == '"' || source[i] == '\'') {
      const size_t end = EndOfString(source, i);
      if (HasPrefix(source, i) && std::string_view(source).substr(i, end - i).find('\\') == std::string_view::npos) {
        const auto first = source.begin() + static_cast<std::ptrdiff_t>(i) - 1;
        const auto last = source.begin() + static_cast<std::ptrdiff_t>(end);
        std::rotate(first, first + 1, last);
        source[end - 1] = ' ';
      }
      i = end;
    } else {
      ++i;
    }
  }
  return source;
}

}  // namespace torchferry::plan
