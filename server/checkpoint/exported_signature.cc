#include "server/checkpoint/exported_signature.h"

#include <optional>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/checkpoint/exported_argument.h"
#include "server/checkpoint/exported_fields.h"
#include "server/checkpoint/exported_names.h"
#include "server/checkpoint/limits.h"

namespace torchferry::checkpoint {
namespace {

using ArgumentKind = GraphArgument::Kind;

absl::StatusOr<std::string> KeyField(const JsonValue& spec, std::string_view name) {
  FERRY_ASSIGN_OR_RETURN(const JsonValue* key, Field(spec, name, JsonValue::Kind::kString));
  return ReadTensorKey(key->text);
}

absl::StatusOr<std::string> TensorOf(const JsonValue& spec) {
  FERRY_ASSIGN_OR_RETURN(const JsonValue* argument, Field(spec, "arg", JsonValue::Kind::kObject));
  FERRY_ASSIGN_OR_RETURN(GraphArgument tensor, ReadTensorName(*argument));
  return std::move(tensor.text);
}

absl::StatusOr<ProgramInput> TensorInput(ProgramInput::Kind kind, const JsonValue& spec, std::string_view key_name) {
  ProgramInput input;
  input.kind = kind;
  FERRY_ASSIGN_OR_RETURN(input.name, TensorOf(spec));
  FERRY_ASSIGN_OR_RETURN(input.key, KeyField(spec, key_name));
  if (const JsonValue* persistent = spec.Find("persistent"); persistent != nullptr) {
    FERRY_ASSIGN_OR_RETURN(input.is_persistent, ReadBool(*persistent));
  }
  return input;
}

absl::Status RefuseObject(std::string_view name) {
  return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                          "takes {}, a TorchBind object or a constant of a Python class, which is not served; export "
                          "the model with tensors in its place",
                          Quoted(name));
}

bool IsKnownAtExport(ArgumentKind kind) {
  return kind == ArgumentKind::kNone || kind == ArgumentKind::kInt || kind == ArgumentKind::kFloat ||
         kind == ArgumentKind::kBool || kind == ArgumentKind::kString || kind == ArgumentKind::kComplex;
}

absl::StatusOr<ProgramInput> UserInput(const JsonValue& spec) {
  FERRY_ASSIGN_OR_RETURN(const JsonValue* value, Field(spec, "arg", JsonValue::Kind::kObject));
  FERRY_ASSIGN_OR_RETURN(GraphArgument argument, ReadArgument(*value, 0));
  ProgramInput input;
  if (argument.kind == ArgumentKind::kObject) return RefuseObject(argument.text);
  if (IsKnownAtExport(argument.kind)) {
    input.kind = ProgramInput::Kind::kSpecialised;
    input.value = std::move(argument);
    return input;
  }
  const bool is_value = argument.kind == ArgumentKind::kTensor || argument.kind == ArgumentKind::kSymInt ||
                        argument.kind == ArgumentKind::kSymFloat || argument.kind == ArgumentKind::kSymBool;
  if (!is_value || argument.text.empty()) return absl::DataLossError("is no tensor and no symbol with a name");
  input.name = argument.text;
  return input;
}

absl::StatusOr<ProgramInput> SpecialisedInput(const JsonValue& spec) {
  ProgramInput input;
  input.kind = ProgramInput::Kind::kSpecialised;
  FERRY_ASSIGN_OR_RETURN(input.name, NameField(spec, "name"));
  FERRY_ASSIGN_OR_RETURN(const JsonValue* value, Field(spec, "value", JsonValue::Kind::kObject));
  FERRY_ASSIGN_OR_RETURN(input.value, ReadArgument(*value, 0));
  if (!IsKnownAtExport(input.value.kind)) return absl::DataLossError("is an input that was fixed, without its value");
  return input;
}

absl::StatusOr<ProgramInput> ReadInput(const JsonValue& value) {
  FERRY_ASSIGN_OR_RETURN(const Union spec, ReadUnion(value));
  using Kind = ProgramInput::Kind;
  if (spec.tag == "user_input") return UserInput(*spec.value);
  if (spec.tag == "parameter") return TensorInput(Kind::kParameter, *spec.value, "parameter_name");
  if (spec.tag == "buffer") return TensorInput(Kind::kBuffer, *spec.value, "buffer_name");
  if (spec.tag == "tensor_constant") return TensorInput(Kind::kConstant, *spec.value, "tensor_constant_name");
  if (spec.tag == "constant_input") return SpecialisedInput(*spec.value);
  if (spec.tag == "custom_obj") {
    FERRY_ASSIGN_OR_RETURN(const JsonValue* name, Field(*spec.value, "custom_obj_name", JsonValue::Kind::kString));
    return RefuseObject(name->text);
  }
  if (spec.tag == "token") {
    return absl::InvalidArgumentError(
        "takes a token, which orders operators with side effects. They are not served; export the model without print "
        "and without operators that are registered as effectful");
  }
  return UnknownTag("an input", spec.tag);
}

absl::StatusOr<ProgramOutput> Mutation(ProgramOutput::Kind kind, const JsonValue& spec, std::string_view target) {
  ProgramOutput output;
  output.kind = kind;
  output.value.kind = ArgumentKind::kTensor;
  FERRY_ASSIGN_OR_RETURN(output.value.text, TensorOf(spec));
  FERRY_ASSIGN_OR_RETURN(output.key, KeyField(spec, target));
  return output;
}

absl::StatusOr<ProgramOutput> ReadOutput(const JsonValue& value) {
  FERRY_ASSIGN_OR_RETURN(const Union spec, ReadUnion(value));
  using Kind = ProgramOutput::Kind;
  if (spec.tag == "user_output") {
    ProgramOutput output;
    FERRY_ASSIGN_OR_RETURN(const JsonValue* argument, Field(*spec.value, "arg", JsonValue::Kind::kObject));
    FERRY_ASSIGN_OR_RETURN(output.value, ReadArgument(*argument, 0));
    return output;
  }
  if (spec.tag == "buffer_mutation") return Mutation(Kind::kBufferMutation, *spec.value, "buffer_name");
  if (spec.tag == "user_input_mutation") return Mutation(Kind::kInputMutation, *spec.value, "user_input_name");
  if (spec.tag == "parameter_mutation") {
    FERRY_ASSIGN_OR_RETURN(const std::string name, KeyField(*spec.value, "parameter_name"));
    return base::MakeStatus(
        absl::StatusCode::kInvalidArgument,
        "writes to its parameter {} in each call; export the model for inference: torch.export.save("
        "torch.export.export(model.eval(), args), \"model.pt2\")",
        Quoted(name));
  }
  if (spec.tag == "loss_output" || spec.tag == "gradient_to_parameter" || spec.tag == "gradient_to_user_input") {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                            "is a training step: it gives {}; export the model for inference: torch.export.save("
                            "torch.export.export(model.eval(), args), \"model.pt2\")",
                            spec.tag == "loss_output" ? "a loss" : "gradients");
  }
  if (spec.tag == "token") {
    return absl::InvalidArgumentError(
        "gives a token, which orders operators with side effects. They are not served; export the model without print "
        "and without operators that are registered as effectful");
  }
  return UnknownTag("an output", spec.tag);
}

// Both list the same values; the graph says of what kind they are.
absl::Status CheckAgainstGraph(const ExportedSignature& signature, const ExportedGraph& graph) {
  if (signature.inputs.size() != graph.inputs.size() || signature.outputs.size() != graph.outputs.size()) {
    return base::MakeStatus(
        absl::StatusCode::kDataLoss, "has {} inputs and {} outputs in its signature, and {} and {} in its graph",
        signature.inputs.size(), signature.outputs.size(), graph.inputs.size(), graph.outputs.size());
  }
  std::unordered_set<std::string_view> names;
  for (size_t i = 0; i < graph.inputs.size(); ++i) {
    const ProgramInput& input = signature.inputs[i];
    if (input.kind == ProgramInput::Kind::kSpecialised) continue;
    if (graph.inputs[i].text != input.name || !names.insert(input.name).second) {
      return base::MakeStatus(absl::StatusCode::kDataLoss, "input {} is {} in its signature and {} in its graph", i,
                              Quoted(input.name), Quoted(graph.inputs[i].text));
    }
    const bool is_tensor = graph.inputs[i].kind == ArgumentKind::kTensor;
    if (!is_tensor && !input.key.empty()) {
      return base::MakeStatus(absl::StatusCode::kDataLoss, "input {}, {}, is no tensor in its graph", i,
                              Quoted(input.name));
    }
    if (is_tensor && !graph.tensors.contains(input.name)) {
      return base::MakeStatus(absl::StatusCode::kDataLoss, "says nothing of the tensor {}, its input",
                              Quoted(input.name));
    }
  }
  for (size_t i = 0; i < graph.outputs.size(); ++i) {
    const GraphArgument& value = signature.outputs[i].value;
    if (value.kind != graph.outputs[i].kind || value.text != graph.outputs[i].text) {
      return base::MakeStatus(absl::StatusCode::kDataLoss, "output {} is {} in its signature and {} in its graph", i,
                              Quoted(value.text), Quoted(graph.outputs[i].text));
    }
  }
  return absl::OkStatus();
}

// A number, null, or one of "Infinity" and "-Infinity", which are no limit.
absl::StatusOr<std::optional<int64_t>> ReadLimit(const JsonValue& range, std::string_view name) {
  const JsonValue* value = range.Find(name);
  if (value == nullptr || value->kind == JsonValue::Kind::kNull || value->kind == JsonValue::Kind::kString) {
    return std::nullopt;
  }
  absl::StatusOr<int64_t> limit = ReadInteger(*value);
  if (!limit.ok()) return base::Annotate(limit.status(), name);
  return *limit;
}

}  // namespace

absl::StatusOr<std::string> ReadTensorKey(const std::string& text) {
  if (text.empty() || text.size() > limits::kMaxKeyBytes || !IsCleanUtf8(text)) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "the tensor's name {} is no clean text of 1 to {} bytes",
                            Quoted(text), limits::kMaxKeyBytes);
  }
  return text;
}

absl::StatusOr<ExportedSignature> ReadExportedSignature(const JsonValue& graph_module, const ExportedGraph& graph) {
  FERRY_ASSIGN_OR_RETURN(const JsonValue* specs, Field(graph_module, "signature", JsonValue::Kind::kObject));
  FERRY_ASSIGN_OR_RETURN(const JsonValue* inputs, Field(*specs, "input_specs", JsonValue::Kind::kList));
  FERRY_ASSIGN_OR_RETURN(const JsonValue* outputs, Field(*specs, "output_specs", JsonValue::Kind::kList));
  ExportedSignature signature;
  for (const JsonValue& spec : inputs->items) {
    absl::StatusOr<ProgramInput> input = ReadInput(spec);
    if (!input.ok()) {
      return base::Annotate(input.status(), fmt::format("input_specs[{}]", signature.inputs.size()));
    }
    signature.inputs.push_back(*std::move(input));
  }
  size_t results = 0;
  for (const JsonValue& spec : outputs->items) {
    absl::StatusOr<ProgramOutput> output = ReadOutput(spec);
    if (!output.ok()) {
      return base::Annotate(output.status(), fmt::format("output_specs[{}]", signature.outputs.size()));
    }
    results += output->kind == ProgramOutput::Kind::kUser ? 1 : 0;
    signature.outputs.push_back(*std::move(output));
  }
  FERRY_RETURN_IF_ERROR(CheckAgainstGraph(signature, graph));
  FERRY_ASSIGN_OR_RETURN(OutputNames names, ReadOutputNames(graph_module, results));
  signature.gives_one_tensor = names.is_one_tensor;
  auto name = names.names.begin();
  for (ProgramOutput& output : signature.outputs) {
    if (output.kind == ProgramOutput::Kind::kUser) output.name = std::move(*name++);
  }
  return signature;
}

absl::StatusOr<std::map<std::string, SizeRange>> ReadRanges(const JsonValue& program) {
  FERRY_ASSIGN_OR_RETURN(const JsonValue* ranges,
                         OptionalField(program, "range_constraints", JsonValue::Kind::kObject));
  std::map<std::string, SizeRange> result;
  if (ranges == nullptr) return result;
  for (const JsonValue& range : ranges->items) {
    FERRY_ASSIGN_OR_RETURN(const std::optional<int64_t> min, ReadLimit(range, "min_val"));
    FERRY_ASSIGN_OR_RETURN(std::optional<int64_t> max, ReadLimit(range, "max_val"));
    // What older versions write for none: sys.maxsize - 1.
    if (max.has_value() && *max >= INT64_MAX - 1) max.reset();
    result[range.key] = {min.value_or(0), max};
  }
  return result;
}

}  // namespace torchferry::checkpoint
