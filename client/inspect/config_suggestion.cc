#include "client/inspect/config_suggestion.h"

#include <fmt/format.h>

#include <string_view>

namespace torchferry::client {
namespace {

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return "";
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

std::string_view TritonType(std::string_view type) {
  if (type == "int") return "TYPE_INT64";
  if (type == "bool") return "TYPE_BOOL";
  return "TYPE_FP32";
}

std::string Comment(const std::vector<ForwardArgument>& arguments) {
  std::string text;
  for (const ForwardArgument& argument : arguments) {
    const bool is_tensor = argument.type.find("Tensor") != std::string::npos;
    text += fmt::format("# input {{ name: \"{}\"  data_type: {}  dims: [ {} ] }}  # {}\n", argument.name,
                        TritonType(argument.type), is_tensor ? "-1" : "1", argument.type);
  }
  if (!text.empty()) return text;
  return "# input { name: \"x\"  data_type: TYPE_FP32  dims: [ 3, 224, 224 ] }  # forward's argument; without the "
         "batch\n";
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
  size_t depth = 0;
  size_t start = 0;
  for (size_t i = 0; i <= list.size(); ++i) {
    const char c = i == list.size() ? ',' : list[i];
    if (c == '[' || c == '(') ++depth;
    if ((c == ']' || c == ')') && depth > 0) --depth;
    if (c != ',' || (depth > 0 && i < list.size())) continue;
    const std::string_view part = list.substr(start, i - start);
    start = i + 1;
    const size_t colon = part.find(':');
    if (colon == std::string_view::npos) continue;  // self's own type
    std::string_view type = Trim(part.substr(colon + 1));
    type = Trim(type.substr(0, type.find('=')));
    arguments.push_back({std::string(Trim(part.substr(0, colon))), std::string(type)});
  }
  return arguments;
}

std::string SuggestConfig(const Inspection& inspection, const std::optional<checkpoint::TorchScriptInfo>& script) {
  const plan::LoadPlan& plan = inspection.plan;
  std::string text = "# By torchferry inspect. Lines that begin with # are what the file does not say.\n";
  text += "# max_batch_size: 8  # when dimension 0 of every input is the rows of a batch\n# dynamic_batching { }\n";
  text += Comment(script.has_value() ? ForwardArguments(*script) : std::vector<ForwardArgument>());
  text += "# output { name: \"y\"  data_type: TYPE_FP32  dims: [ -1 ] }\n";
  std::string own;
  if (!plan.state_dict_key.empty()) {
    own += fmt::format("  state_dict {{ key: \"{}\" }}\n", plan.state_dict_key);
  }
  for (const std::string& prefix : plan.removed_prefixes) {
    own += fmt::format("  # \"{}\" is taken away from the keys by itself\n", prefix);
  }
  return text + fmt::format("torchferry {{\n  device: \"{}\"\n{}}}\n", plan.placement.requested, own);
}

}  // namespace torchferry::client
