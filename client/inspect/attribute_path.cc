#include "client/inspect/attribute_path.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <iterator>
#include <string_view>

namespace torchferry::client {
namespace {

// Names that the language keeps for itself, and `forward`, which is the method.
bool IsReserved(std::string_view text) {
  constexpr std::string_view kReserved[] = {
      "False", "None",     "True",  "and",    "as",     "assert", "async",  "await",    "break",
      "class", "continue", "def",   "del",    "elif",   "else",   "except", "finally",  "for",
      "from",  "global",   "if",    "import", "in",     "is",     "lambda", "nonlocal", "not",
      "or",    "pass",     "print", "raise",  "return", "try",    "while",  "with",     "yield"};
  return std::ranges::find(kReserved, text) != std::end(kReserved);
}

bool IsIdentifier(std::string_view text) {
  return !IsReserved(text) && !text.empty() && std::isdigit(static_cast<unsigned char>(text[0])) == 0 &&
         std::ranges::all_of(text, [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; });
}

}  // namespace

std::string AttributePath(const std::string& name) {
  std::string path = "self";
  for (size_t begin = 0; begin <= name.size();) {
    const size_t end = std::min(name.find('.', begin), name.size());
    const std::string part = name.substr(begin, end - begin);
    begin = end + 1;
    if (!part.empty() && std::ranges::all_of(part, [](unsigned char c) { return std::isdigit(c) != 0; })) {
      path += "[" + part + "]";
    } else if (IsIdentifier(part)) {
      path += "." + part;
    } else {
      path = fmt::format("getattr({}, \"{}\")", path, part);
    }
  }
  return path;
}

}  // namespace torchferry::client
