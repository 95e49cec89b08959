#include "server/checkpoint/exported_graph_json.h"

#include <string_view>
#include <utility>

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/checkpoint/exported_argument.h"
#include "server/checkpoint/exported_fields.h"
#include "server/checkpoint/exported_size.h"
#include "server/checkpoint/exported_types.h"
#include "server/checkpoint/limits.h"

namespace torchferry::checkpoint {
namespace {

absl::StatusOr<std::vector<GraphArgument>> ReadArguments(const JsonValue& object, std::string_view name, size_t depth) {
  FERRY_ASSIGN_OR_RETURN(const JsonValue* list, Field(object, name, JsonValue::Kind::kList));
  std::vector<GraphArgument> arguments;
  arguments.reserve(list->items.size());
  for (const JsonValue& item : list->items) {
    absl::StatusOr<GraphArgument> argument = ReadArgument(item, depth);
    if (!argument.ok()) return base::Annotate(argument.status(), fmt::format("{}[{}]", name, arguments.size()));
    arguments.push_back(*std::move(argument));
  }
  return arguments;
}

absl::StatusOr<NamedArgument> ReadNamedArgument(const JsonValue& item, size_t depth) {
  NamedArgument argument;
  // Operators without a schema have arguments without names.
  FERRY_ASSIGN_OR_RETURN(const JsonValue* name, Field(item, "name", JsonValue::Kind::kString));
  if (!name->text.empty()) {
    FERRY_ASSIGN_OR_RETURN(argument.name, ReadName(*name));
  }
  FERRY_ASSIGN_OR_RETURN(const JsonValue* value, Field(item, "arg", JsonValue::Kind::kObject));
  FERRY_ASSIGN_OR_RETURN(argument.value, ReadArgument(*value, depth));
  return argument;
}

absl::Status FillNode(const JsonValue& value, size_t depth, GraphNode& node) {
  FERRY_ASSIGN_OR_RETURN(const JsonValue* inputs, Field(value, "inputs", JsonValue::Kind::kList));
  node.inputs.reserve(inputs->items.size());
  for (const JsonValue& item : inputs->items) {
    absl::StatusOr<NamedArgument> input = ReadNamedArgument(item, depth);
    if (!input.ok()) return base::Annotate(input.status(), fmt::format("inputs[{}]", node.inputs.size()));
    node.inputs.push_back(*std::move(input));
  }
  FERRY_ASSIGN_OR_RETURN(node.outputs, ReadArguments(value, "outputs", depth));
  return absl::OkStatus();
}

absl::StatusOr<GraphNode> ReadNode(const JsonValue& value, size_t depth) {
  GraphNode node;
  FERRY_ASSIGN_OR_RETURN(node.target, NameField(value, "target"));
  const absl::Status filled = FillNode(value, depth, node);
  if (!filled.ok()) return base::Annotate(filled, Quoted(node.target));
  return node;
}

absl::Status ReadTensors(const JsonValue& object, ExportedGraph& graph) {
  FERRY_ASSIGN_OR_RETURN(const JsonValue* values, Field(object, "tensor_values", JsonValue::Kind::kObject));
  graph.tensors.reserve(values->items.size());
  for (const JsonValue& item : values->items) {
    absl::StatusOr<ExportedTensor> tensor = ReadTensorMeta(item);
    if (!tensor.ok()) return base::Annotate(tensor.status(), fmt::format("tensor {}", Quoted(item.key)));
    graph.tensors.emplace(item.key, *std::move(tensor));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ExportedTensor> ReadTensorMeta(const JsonValue& value) {
  ExportedTensor tensor;
  FERRY_ASSIGN_OR_RETURN(const JsonValue* dtype, Field(value, "dtype", JsonValue::Kind::kInt));
  FERRY_ASSIGN_OR_RETURN(tensor.dtype, ReadScalarType(*dtype));
  FERRY_ASSIGN_OR_RETURN(const JsonValue* device, Field(value, "device", JsonValue::Kind::kObject));
  FERRY_ASSIGN_OR_RETURN(tensor.device, ReadDevice(*device));
  FERRY_ASSIGN_OR_RETURN(const JsonValue* layout, Field(value, "layout", JsonValue::Kind::kInt));
  FERRY_ASSIGN_OR_RETURN(tensor.layout, ReadLayout(*layout));
  FERRY_ASSIGN_OR_RETURN(const JsonValue* sizes, Field(value, "sizes", JsonValue::Kind::kList));
  if (sizes->items.size() > limits::kMaxRank) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "has {} dimensions; at most {} are read", sizes->items.size(),
                            limits::kMaxRank);
  }
  for (const JsonValue& item : sizes->items) {
    absl::StatusOr<ExportedSize> size = ReadSize(item);
    if (!size.ok()) return base::Annotate(size.status(), fmt::format("sizes[{}]", tensor.sizes.size()));
    tensor.sizes.push_back(*std::move(size));
  }
  return tensor;
}

absl::StatusOr<ExportedGraph> ReadGraph(const JsonValue& value, size_t depth) {
  ExportedGraph graph;
  FERRY_ASSIGN_OR_RETURN(graph.inputs, ReadArguments(value, "inputs", depth));
  FERRY_ASSIGN_OR_RETURN(const JsonValue* nodes, Field(value, "nodes", JsonValue::Kind::kList));
  graph.nodes.reserve(nodes->items.size());
  for (const JsonValue& item : nodes->items) {
    absl::StatusOr<GraphNode> node = ReadNode(item, depth);
    if (!node.ok()) return base::Annotate(node.status(), fmt::format("nodes[{}]", graph.nodes.size()));
    graph.nodes.push_back(*std::move(node));
  }
  FERRY_ASSIGN_OR_RETURN(graph.outputs, ReadArguments(value, "outputs", depth));
  FERRY_RETURN_IF_ERROR(ReadTensors(value, graph));
  return graph;
}

}  // namespace torchferry::checkpoint
