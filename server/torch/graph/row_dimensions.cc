#include "server/torch/graph/row_dimensions.h"

#include <fmt/format.h>
#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "server/torch/graph/graph_walk.h"
#include "server/torch/graph/reachable_graph.h"

namespace torchferry::libtorch {
namespace {

using torch::jit::Node;
using torch::jit::Value;

constexpr size_t kRowsOfState = 1;

bool IsRecurrent(const Node& node) {
  const std::string_view name = node.kind().toQualString();
  return name == "aten::lstm" || name == "aten::gru" || name == "aten::rnn_tanh" || name == "aten::rnn_relu";
}

// Operators whose result has the dimensions of their first argument.
bool KeepsDimensions(const Node* node) {
  const std::string_view name = node->kind().toQualString();
  return name == "aten::clone" || name == "aten::contiguous" || name == "aten::to" || name == "aten::detach" ||
         name == "aten::alias" || name == "aten::index_select" || name == "prim::unchecked_cast" ||
         name == "prim::unchecked_unwrap_optional" || name == "aten::type_as";
}

// An argument of forward, or what is in it: a path of indices.
struct Place {
  size_t argument = 0;
  std::vector<size_t> path;

  bool operator<(const Place& other) const { return std::tie(argument, path) < std::tie(other.argument, other.path); }
};

// Where `value` comes from, unchanged in its dimensions.
class Origins {
 public:
  explicit Origins(const torch::jit::Graph& graph) : graph_(graph) {}

  std::set<Place> Of(const Value* value, std::vector<size_t> path) {
    places_.clear();
    seen_.clear();
    Follow(value, std::move(path));
    return places_;
  }

 private:
  // `path`: which element of `value` is looked for, the last index first.
  void Follow(const Value* value, std::vector<size_t> path) {
    if (!seen_.emplace(value, path).second) return;
    const Node* node = value->node();
    if (node->kind() == c10::prim::Param && value->owningGraph() == &graph_ && node == graph_.param_node()) {
      std::reverse(path.begin(), path.end());
      if (value->offset() > 0) places_.insert({value->offset() - 1, std::move(path)});
    } else if (node->kind() == c10::prim::If) {
      for (const torch::jit::Block* block : node->blocks()) Follow(block->outputs()[value->offset()], path);
    } else if (node->kind() == c10::prim::TupleConstruct || node->kind() == c10::prim::ListConstruct) {
      InConstruct(node, std::move(path));
    } else if (node->kind() == c10::prim::TupleUnpack || node->kind() == c10::prim::ListUnpack) {
      path.push_back(value->offset());
      Follow(node->input(), std::move(path));
    } else if (node->kind() == c10::prim::TupleIndex) {
      const auto index = torch::jit::toIValue(node->input(1));
      if (!index.has_value() || !index->isInt()) return;
      path.push_back(static_cast<size_t>(index->toInt()));
      Follow(node->input(0), std::move(path));
    } else if (KeepsDimensions(node)) {
      Follow(node->input(0), std::move(path));
    }
  }

  void InConstruct(const Node* node, std::vector<size_t> path) {
    if (path.empty()) {  // all of them
      for (const Value* element : node->inputs()) Follow(element, {});
      return;
    }
    const size_t index = path.back();
    path.pop_back();
    if (index < node->inputs().size()) Follow(node->inputs()[index], std::move(path));
  }

  const torch::jit::Graph& graph_;
  std::set<Place> places_;
  std::set<std::pair<const Value*, std::vector<size_t>>> seen_;
};

std::optional<c10::IValue> ArgumentOf(const Node* node, std::string_view name, Value** value = nullptr) {
  const c10::FunctionSchema* schema = node->maybeSchema();
  if (schema == nullptr) return std::nullopt;
  for (size_t i = 0; i < schema->arguments().size(); ++i) {
    if (schema->arguments()[i].name() != name) continue;
    if (value != nullptr) *value = const_cast<Value*>(node->inputs()[i]);
    return torch::jit::toIValue(node->inputs()[i]);
  }
  return std::nullopt;
}

std::optional<int64_t> LayersOf(const Node* node) {
  const auto layers = ArgumentOf(node, "num_layers");
  const auto is_bidirectional = ArgumentOf(node, "bidirectional");
  if (!layers.has_value() || !is_bidirectional.has_value()) return std::nullopt;
  return layers->toInt() * (is_bidirectional->toBool() ? 2 : 1);
}

class Finder {
 public:
  Finder(const torch::jit::Graph& graph, ModelSignature& signature) : origins_(graph), signature_(signature) {}

  void In(const Node* node) {
    Value* state = nullptr;
    ArgumentOf(node, "hx", &state);
    if (state != nullptr) Mark(state, node, LayersOf(node));
    Value* sequence = nullptr;
    ArgumentOf(node, "input", &sequence);
    const auto batch_first = ArgumentOf(node, "batch_first");
    if (sequence != nullptr && batch_first.has_value() && !batch_first->toBool()) Mark(sequence, node, std::nullopt);
  }

  std::string Sentence() const {
    if (names_.empty()) return "";
    return fmt::format(
        "no forward pass is shared: the rows of {} are in dimension 1, as {} has them. Each request runs "
        "alone; a model that has all rows in dimension 0 shares",
        fmt::join(names_, ", "), operator_);
  }

 private:
  void Mark(const Value* value, const Node* node, std::optional<int64_t> layers) {
    for (const Place& place : origins_.Of(value, {})) {
      std::vector<size_t> inputs;
      Collect(signature_.trees.at(place.argument), place.path, 0, inputs);
      for (const size_t input : inputs) MarkInput(input, node, layers);
    }
  }

  // The inputs at `path` of a tree; all below it where it ends before them.
  static void Collect(const ArgumentNode& node, const std::vector<size_t>& path, size_t depth,
                      std::vector<size_t>& inputs) {
    if (node.kind == ArgumentNode::Kind::kInput && node.input != ArgumentNode::kNoInput) inputs.push_back(node.input);
    for (size_t i = 0; i < node.parts.size(); ++i) {
      if (depth >= path.size() || path[depth] == i) Collect(node.parts[i], path, depth + 1, inputs);
    }
  }

  void MarkInput(size_t input, const Node* node, std::optional<int64_t> layers) {
    tensor::TensorSpec& spec = signature_.signature.inputs[input];
    if (!tensor::IsOfTensors(spec.kind) || signature_.inputs[input].model_shape.has_value()) return;
    if (spec.shape.has_value()) {
      if (spec.shape->size() != 3) return;
      tensor::Shape& shape = *spec.shape;
      if (shape[1] != tensor::kAnyDim) return;  // then it is no number of rows
      if (layers.has_value() && shape[0] == tensor::kAnyDim) shape[0] = *layers;
    }
    spec.row_dimension = kRowsOfState;
    names_.insert("\"" + spec.name + "\"");
    operator_ = node->kind().toQualString();
  }

  Origins origins_;
  ModelSignature& signature_;
  std::set<std::string> names_;
  std::string operator_;
};

}  // namespace

bool HasRecurrentOperators(const torch::jit::Module& module) {
  return !WalkGraphs(module, [](const Node& node, const std::string&) {
            return IsRecurrent(node) ? absl::CancelledError("found") : absl::OkStatus();
          }).ok();
}

std::string FindRowDimensions(const torch::jit::Graph& graph, ModelSignature& signature) {
  Finder finder(graph, signature);
  ForEachNode(const_cast<torch::jit::Graph&>(graph).block(), [&](Node* node) {
    if (IsRecurrent(*node)) finder.In(node);
  });
  return finder.Sentence();
}

}  // namespace torchferry::libtorch
