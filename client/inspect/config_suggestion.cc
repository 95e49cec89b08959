#include "client/inspect/config_suggestion.h"

#include <fmt/format.h>

#include <string_view>
#include <vector>

#include "client/inspect/forward_arguments.h"
#include "server/base/json.h"

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

// What a program says itself, which parses to the same again.
void AddArguments(const char* what, const std::vector<InspectedArgument>& arguments, bool has_rows, std::string& text) {
  for (const InspectedArgument& argument : arguments) {
    tensor::Shape dims(argument.shape.begin() + (has_rows && !argument.shape.empty() ? 1 : 0), argument.shape.end());
    const bool is_number = dims.empty();
    if (is_number) dims = {1};
    const bool has_type = tensor::ByteSize(argument.dtype) > 0 &&
                          Name(argument.dtype).find('_') == std::string_view::npos &&
                          !Name(argument.dtype).starts_with("COMPLEX");
    text += fmt::format("{}{} {{ name: {}  data_type: TYPE_{}  dims: [ {} ]{} }}\n", has_type ? "" : "# ", what,
                        base::JsonQuote(argument.name), Name(argument.dtype), fmt::join(dims, ", "),
                        is_number && has_rows ? "  reshape { shape: [] }" : "");
  }
}

std::string SuggestConfig(const InspectedProgram& program) {
  std::string text = "# By torchferry inspect. None is needed: the program says all of this itself.\n";
  const bool has_rows = program.max_batch_size > 0;
  if (has_rows) text += fmt::format("max_batch_size: {}\n", program.max_batch_size);
  if (program.dynamic_batching) text += "dynamic_batching { }\n";
  AddArguments("input", program.inputs, has_rows, text);
  AddArguments("output", program.outputs, has_rows, text);
  return text;
}

// What neither a state_dict nor an archive says.
std::string SuggestFields(const std::optional<checkpoint::TorchScriptInfo>& script) {
  std::string text = "# By torchferry inspect. Lines that begin with # are what the file does not say.\n";
  text += "# max_batch_size: 8  # when dimension 0 of every input is the rows of a batch\n# dynamic_batching { }\n";
  text += Comment(script.has_value() ? ForwardArguments(*script) : std::vector<ForwardArgument>());
  return text + "# output { name: \"y\"  data_type: TYPE_FP32  dims: [ -1 ] }\n";
}

}  // namespace

std::string SuggestConfig(const Inspection& inspection, const std::optional<checkpoint::TorchScriptInfo>& script) {
  const plan::LoadPlan& plan = inspection.plan;
  std::string own;
  if (!plan.state_dict_key.empty()) {
    own += fmt::format("  state_dict {{ key: \"{}\" }}\n", plan.state_dict_key);
  }
  for (const std::string& prefix : plan.removed_prefixes) {
    own += fmt::format("  # \"{}\" is taken away from the keys by itself\n", prefix);
  }
  const std::string text = inspection.program.has_value() ? SuggestConfig(*inspection.program) : SuggestFields(script);
  return text + fmt::format("torchferry {{\n  device: \"{}\"\n{}}}\n", plan.placement.requested, own);
}

}  // namespace torchferry::client
