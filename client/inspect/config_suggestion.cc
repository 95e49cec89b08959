#include "client/inspect/config_suggestion.h"

#include <fmt/format.h>

#include <string_view>
#include <vector>

#include "client/inspect/forward_arguments.h"

namespace torchferry::client {
namespace {

std::string_view TritonType(std::string_view type) {
  const auto holds = [type](std::string_view what) { return type.find(what) != std::string_view::npos; };
  if (holds("Tensor")) return "TYPE_FP32";
  if (holds("str")) return "TYPE_STRING";
  if (holds("int")) return "TYPE_INT64";
  return holds("bool") ? "TYPE_BOOL" : "TYPE_FP32";
}

// Of a dict or tuple the parts are inputs, each with a name of its own.
std::string InputName(const ForwardArgument& argument) {
  if (argument.type.find("Dict[") != std::string::npos) return argument.name + "_KEY";
  return argument.name + (argument.type.find("Tuple[") != std::string::npos ? "_0" : "");
}

std::string Comment(const std::vector<ForwardArgument>& arguments) {
  std::string text;
  for (const ForwardArgument& argument : arguments) {
    const bool is_tensor = argument.type.find("Tensor") != std::string::npos;
    text += fmt::format("# input {{ name: \"{}\"  data_type: {}  dims: [ {} ] }}  # {}\n", InputName(argument),
                        TritonType(argument.type), is_tensor ? "-1" : "1", argument.type);
  }
  if (!text.empty()) return text;
  return "# input { name: \"x\"  data_type: TYPE_FP32  dims: [ 3, 224, 224 ] }  # forward's argument; without the "
         "batch\n";
}

}  // namespace

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
