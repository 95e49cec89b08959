#include "server/torch/load/forward_imports.h"

#include <regex>
#include <set>
#include <vector>

#include "server/base/status.h"

namespace torchferry::libtorch {
namespace {

const std::set<std::string>& KnownModules() {
  static const std::set<std::string> modules = {"torch", "math", "torch.nn", "torch.nn.functional"};
  return modules;
}

absl::Status ImportError(std::string_view file, size_t line, const std::string& text) {
  return base::MakeStatus(
      absl::StatusCode::kInvalidArgument,
      "{}:{}:1: \"{}\" is not understood; forward.py may import torch, math, torch.nn.functional as F, and names "
      "from typing. Write what you need from it in this file, with torch operators",
      file, line, text);
}

// One import statement; false when it is none that is known.
bool ReadImport(const std::string& statement, std::map<std::string, std::string>& names) {
  static const std::regex kImport(R"(import\s+([\w.]+)(?:\s+as\s+(\w+))?\s*(?:#.*)?)");
  static const std::regex kFrom(R"(from\s+([\w.]+)\s+import\s+\(?\s*([\w\s,]+?)\s*\)?\s*(?:#.*)?)");
  static const std::regex kAs(R"(\s*(\w+)(?:\s+as\s+(\w+))?\s*)");
  std::smatch match;
  if (std::regex_match(statement, match, kImport)) {
    if (!KnownModules().contains(match.str(1))) return false;
    // `import a.b` binds `a`; with `as`, the whole path.
    const bool renamed = match[2].matched;
    const std::string root = match.str(1).substr(0, match.str(1).find('.'));
    names[renamed ? match.str(2) : root] = renamed ? match.str(1) : root;
    return true;
  }
  if (!std::regex_match(statement, match, kFrom)) return false;
  const std::string from = match.str(1);
  if (from == "__future__" || from == "typing") return true;  // the type names are built in
  if (from != "torch" && from != "torch.nn" && from != "math") return false;
  const std::string list = match.str(2);
  for (size_t begin = 0; begin <= list.size();) {
    const size_t end = std::min(list.find(',', begin), list.size());
    const std::string item = list.substr(begin, end - begin);
    begin = end + 1;
    std::smatch parts;
    if (item.find_first_not_of(" \t") == std::string::npos) continue;
    if (!std::regex_match(item, parts, kAs)) return false;
    const std::string name = parts[2].matched ? parts.str(2) : parts.str(1);
    if (parts.str(1) == "Tensor") {
      if (name != "Tensor") return false;
      continue;
    }
    names[name] = from + "." + parts.str(1);
  }
  return true;
}

std::vector<std::string> Lines(std::string_view source) {
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < source.size();) {
    const size_t end = std::min(source.find('\n', begin), source.size());
    std::string line(source.substr(begin, end - begin));
    if (!line.empty() && line.back() == '\r') line.pop_back();
    lines.push_back(std::move(line));
    begin = end + 1;
  }
  return lines;
}

// Blanks a docstring that starts at `lines[i]`; gives the index of its last line.
size_t BlankDocstring(std::vector<std::string>& lines, size_t i) {
  const std::string quote = lines[i].substr(lines[i].find_first_of("\"'"), 3);
  const bool is_triple = quote == "\"\"\"" || quote == "'''";
  const size_t open = lines[i].find(quote);
  const bool is_one_line = !is_triple || lines[i].find(quote, open + 3) != std::string::npos;
  size_t last = i;
  if (!is_one_line) {
    while (last + 1 < lines.size() && lines[last + 1].find(quote) == std::string::npos) ++last;
    last = std::min(last + 1, lines.size() - 1);
  }
  for (size_t k = i; k <= last; ++k) lines[k].clear();
  return last;
}

bool StartsString(const std::string& line) {
  static const std::regex kString(R"([rRuU]?["'].*)");
  return std::regex_match(line, kString);
}

}  // namespace

absl::StatusOr<ForwardImports> ReadImports(std::string_view source, std::string_view file) {
  ForwardImports result;
  std::vector<std::string> lines = Lines(source);
  for (size_t i = 0; i < lines.size(); ++i) {
    const std::string& line = lines[i];
    if (line.starts_with("import ") || line.starts_with("from ")) {
      const size_t first = i;
      std::string statement = line;
      while (statement.find('(') != std::string::npos && statement.find(')') == std::string::npos &&
             i + 1 < lines.size()) {
        statement += " " + lines[++i];
      }
      if (!ReadImport(statement, result.names)) return ImportError(file, first + 1, statement);
      for (size_t k = first; k <= i; ++k) lines[k].clear();
    } else if (StartsString(line)) {
      i = BlankDocstring(lines, i);
    }
  }
  for (const std::string& line : lines) result.body += line + "\n";
  return result;
}

}  // namespace torchferry::libtorch
