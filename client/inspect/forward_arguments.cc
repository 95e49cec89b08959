#include "client/inspect/forward_arguments.h"

#include <string_view>

namespace torchferry::client {
namespace {

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return "";
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

// Commas inside of brackets, as in Dict[str, Tensor], separate nothing.
std::vector<std::string_view> SplitAtCommas(std::string_view list) {
  std::vector<std::string_view> parts;
  size_t depth = 0;
  size_t start = 0;
  for (size_t i = 0; i <= list.size(); ++i) {
    const char c = i == list.size() ? ',' : list[i];
    if (c == '[' || c == '(') ++depth;
    if ((c == ']' || c == ')') && depth > 0) --depth;
    if (c != ',' || (depth > 0 && i < list.size())) continue;
    parts.push_back(list.substr(start, i - start));
    start = i + 1;
  }
  return parts;
}

}  // namespace

std::vector<ForwardArgument> ForwardArguments(const checkpoint::TorchScriptInfo& script) {
  constexpr std::string_view kForward = "def forward(self:";
  const auto sources = checkpoint::ClassSources(script);
  const auto found = sources.find(script.module_class);
  if (found == sources.end()) return {};
  const std::string_view body = found->second;
  const size_t begin = body.find(kForward);
  if (begin == std::string_view::npos) return {};
  std::string_view list = body.substr(begin + kForward.size());
  list = list.substr(0, list.find(") ->"));
  std::vector<ForwardArgument> arguments;
  for (const std::string_view part : SplitAtCommas(list)) {
    const size_t colon = part.find(':');
    if (colon == std::string_view::npos) continue;  // self's own type
    std::string_view type = Trim(part.substr(colon + 1));
    type = Trim(type.substr(0, type.find('=')));
    arguments.push_back({std::string(Trim(part.substr(0, colon))), std::string(type)});
  }
  return arguments;
}

}  // namespace torchferry::client
