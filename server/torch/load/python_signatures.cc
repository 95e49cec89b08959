#include "server/torch/load/python_signatures.h"

#include <charconv>
#include <map>
#include <utility>

#include "server/torch/load/python_text.h"

namespace torchferry::libtorch {
namespace {

// A literal of Python's. One of PyTorch's objects, as torch.strided, is None: what is usual. Nothing for other objects.
std::optional<c10::IValue> ReadLiteral(std::string_view text) {
  if (text == "None" || text.starts_with("torch.")) return c10::IValue();
  if (text == "True" || text == "False") return c10::IValue(text == "True");
  if (text.size() >= 2 && text.front() == '\'') return c10::IValue(std::string(text.substr(1, text.size() - 2)));
  const char* const end = text.data() + text.size();
  int64_t integer = 0;
  if (std::from_chars(text.data(), end, integer).ptr == end) return c10::IValue(integer);
  double number = 0;
  if (std::from_chars(text.data(), end, number).ptr == end) return c10::IValue(number);
  return std::nullopt;
}

std::vector<PythonParameter> ReadParameters(std::string_view text) {
  std::vector<PythonParameter> parameters;
  bool is_keyword_only = false;
  for (std::string_view part : SplitText(text, ", ")) {
    PythonParameter parameter;
    const bool has_star = part.starts_with('*');
    if (has_star) part.remove_prefix(1);
    if (has_star && part.empty()) {
      is_keyword_only = true;
      continue;
    }
    const size_t equals = part.find('=');
    parameter.name = std::string(part.substr(0, part.find_first_of("=:")));
    parameter.is_variadic = has_star;
    parameter.is_keyword_only = is_keyword_only;
    if (equals != std::string_view::npos) parameter.default_value = ReadLiteral(part.substr(equals + 1));
    is_keyword_only = is_keyword_only || has_star;
    parameters.push_back(std::move(parameter));
  }
  return parameters;
}

std::string Spelled(std::string_view line) {
  constexpr std::string_view kFunctional = "torch.nn.functional.";
  return line.starts_with(kFunctional) ? "F." + std::string(line.substr(kFunctional.size())) : std::string(line);
}

using Table = std::map<std::string, PythonSignature, std::less<>>;

Table ReadTable() {
  Table table;
  for (const PythonText& text : PythonTexts()) {
    if (!text.file.starts_with("signatures_")) continue;
    for (std::string_view line : SplitText(text.text, "\n")) {
      const bool is_written_in_python = line.starts_with("function ");
      line.remove_prefix(line.find(' ') + 1);
      const size_t bracket = line.find('(');
      PythonSignature signature{std::string(line.substr(0, bracket)), Spelled(line), is_written_in_python,
                                ReadParameters(line.substr(bracket + 1, line.size() - bracket - 2))};
      table.emplace(signature.name, std::move(signature));
    }
  }
  return table;
}

const Table& Signatures() {
  static const Table table = ReadTable();
  return table;
}

}  // namespace

const PythonSignature* FindPythonSignature(std::string_view name) {
  const auto found = Signatures().find(name);
  return found == Signatures().end() ? nullptr : &found->second;
}

std::vector<const PythonSignature*> PythonFunctions() {
  std::vector<const PythonSignature*> functions;
  for (const auto& [name, signature] : Signatures()) {
    if (signature.is_written_in_python) functions.push_back(&signature);
  }
  return functions;
}

}  // namespace torchferry::libtorch
