#include "server/plan/lstm_sizes.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <string_view>

namespace torchferry::plan {
namespace {

using checkpoint::ExportedGraph;
using checkpoint::ExportedSize;
using checkpoint::GraphArgument;
using checkpoint::GraphNode;
using Kind = GraphArgument::Kind;

constexpr std::string_view kAten = "torch.ops.aten.";
constexpr std::string_view kLstm = "torch.ops.aten.lstm.";
constexpr size_t kWrongRank = 4;
constexpr size_t kWrongDimension = 1;

// Their result has the shape of their first argument, but for the last size.
constexpr auto kKeepDimensions = std::to_array<std::string_view>(
    {"linear", "relu",    "relu_",    "dropout",     "dropout_",     "sigmoid",    "sigmoid_",
     "tanh",   "tanh_",   "gelu",     "silu",        "silu_",        "leaky_relu", "leaky_relu_",
     "elu",    "softmax", "_softmax", "log_softmax", "_log_softmax", "layer_norm", "batch_norm",
     "clone",  "detach",  "detach_",  "contiguous",  "alias",        "to",         "_to_copy"});

// The file says the sizes that they are given, and these are right.
constexpr auto kSetDimensions = std::to_array<std::string_view>({"view", "reshape", "_unsafe_view", "_reshape_copy"});

std::string_view OperatorOf(const GraphNode& node) {
  std::string_view name = node.target;
  if (!name.starts_with(kAten)) return "";
  name.remove_prefix(kAten.size());
  return name.substr(0, name.find('.'));
}

const GraphArgument* Find(const GraphNode& node, std::string_view name) {
  for (const checkpoint::NamedArgument& input : node.inputs) {
    if (input.name == name) return &input.value;
  }
  return nullptr;
}

// Of the argument and of what is in it.
void AddTensors(const GraphArgument& argument, std::vector<std::string>& names) {
  if (argument.kind == Kind::kTensor) names.push_back(argument.text);
  for (const GraphArgument& item : argument.items) AddTensors(item, names);
}

class Follower {
 public:
  explicit Follower(const ExportedGraph& graph) : graph_(graph) {}

  LstmSizes Run() {
    for (const GraphNode& node : graph_.nodes) Follow(node);
    LstmSizes sizes;
    for (const auto& [name, dimension] : wrong_) {
      const auto tensor = graph_.tensors.find(name);
      if (!dimension.has_value() || tensor == graph_.tensors.end()) {
        sizes.unknown.insert(name);
        continue;
      }
      std::vector<ExportedSize> right = tensor->second.sizes;
      right.erase(right.begin() + static_cast<std::ptrdiff_t>(*dimension));
      sizes.right.emplace(name, std::move(right));
    }
    return sizes;
  }

  bool HasWrong() {
    for (const GraphNode& node : graph_.nodes) Follow(node);
    return !wrong_.empty();
  }

 private:
  void Follow(const GraphNode& node) {
    std::vector<std::string> outputs;
    for (const GraphArgument& output : node.outputs) AddTensors(output, outputs);
    if (node.target.starts_with(kLstm)) return FollowLstm(node, outputs);
    std::vector<std::string> inputs;
    bool has_wrong_graph = false;
    for (const checkpoint::NamedArgument& input : node.inputs) {
      AddTensors(input.value, inputs);
      has_wrong_graph |= input.value.graph != nullptr && Follower(*input.value.graph).HasWrong();
    }
    std::erase_if(inputs, [this](const std::string& name) { return !wrong_.contains(name); });
    if (inputs.empty() && !has_wrong_graph) return;
    if (std::ranges::find(kSetDimensions, OperatorOf(node)) != kSetDimensions.end()) return;
    if (OperatorOf(node) == "cat") {
      for (const std::string& output : outputs) wrong_[output] = DimensionOfCat(node, output);
      return;
    }
    const std::optional<size_t> dimension =
        inputs.size() == 1 && outputs.size() == 1 ? DimensionOf(node, inputs.front(), outputs.front()) : std::nullopt;
    for (const std::string& output : outputs) wrong_[output] = dimension;
  }

  // What the first output is follows from the input, whatever the states are.
  void FollowLstm(const GraphNode& node, const std::vector<std::string>& outputs) {
    const GraphArgument* input = Find(node, "input");
    if (input != nullptr && wrong_.contains(input->text) && !outputs.empty()) wrong_[outputs.front()] = std::nullopt;
    for (size_t i = 1; i < outputs.size(); ++i) {
      const std::vector<ExportedSize>* sizes = SizesOf(outputs[i]);
      if (sizes == nullptr || sizes->size() != kWrongRank) continue;
      wrong_[outputs[i]] = IsOne(*sizes, kWrongDimension) ? std::optional(kWrongDimension) : std::nullopt;
    }
  }

  // Of tensors that are alike, along their last dimension.
  std::optional<size_t> DimensionOfCat(const GraphNode& node, const std::string& output) const {
    const GraphArgument* tensors = Find(node, "tensors");
    const GraphArgument* dimension = Find(node, "dim");
    const bool is_last = dimension != nullptr && dimension->kind == Kind::kInt && dimension->integer == -1;
    if (tensors == nullptr || !is_last) return std::nullopt;
    std::optional<size_t> common;
    for (const GraphArgument& item : tensors->items) {
      const auto found = wrong_.find(item.text);
      if (found == wrong_.end() || !found->second.has_value()) return std::nullopt;
      if (common.value_or(*found->second) != *found->second) return std::nullopt;
      common = found->second;
    }
    const std::vector<ExportedSize>* sizes = SizesOf(output);
    const bool is_one = common.has_value() && sizes != nullptr && IsOne(*sizes, *common) && *common + 1 < sizes->size();
    return is_one ? common : std::nullopt;
  }

  // x[:], of whichever dimension.
  static bool IsWhole(const GraphNode& node) {
    const GraphArgument* start = Find(node, "start");
    const GraphArgument* end = Find(node, "end");
    const GraphArgument* step = Find(node, "step");
    const auto is = [](const GraphArgument* argument, int64_t value) {
      return argument == nullptr || argument->kind == Kind::kNone ||
             (argument->kind == Kind::kInt && argument->integer == value);
    };
    return is(start, 0) && is(end, std::numeric_limits<int64_t>::max()) && is(step, 1);
  }

  // Which size of `output` is too many, where that is certain.
  std::optional<size_t> DimensionOf(const GraphNode& node, const std::string& input, const std::string& output) const {
    const std::optional<size_t> before = wrong_.at(input);
    const std::vector<ExportedSize>* sizes = SizesOf(output);
    const std::vector<ExportedSize>* given = SizesOf(input);
    const bool is_first = !node.inputs.empty() && node.inputs.front().value.text == input;
    if (!before.has_value() || sizes == nullptr || given == nullptr || !is_first) return std::nullopt;
    const std::string_view name = OperatorOf(node);
    std::optional<size_t> after;
    if (std::ranges::find(kKeepDimensions, name) != kKeepDimensions.end() || (name == "slice" && IsWhole(node))) {
      after = before;
    } else if (name == "select" || name == "squeeze") {
      // Of a dimension in front of it, which is the same one in both.
      const GraphArgument* dimension = Find(node, "dim");
      const bool is_in_front = dimension != nullptr && dimension->kind == Kind::kInt && dimension->integer >= 0 &&
                               dimension->integer < static_cast<int64_t>(*before);
      if (!is_in_front || (name == "squeeze" && !IsOne(*given, static_cast<size_t>(dimension->integer)))) {
        return std::nullopt;
      }
      after = *before - 1;
    }
    const size_t rank = given->size() - (after == before ? 0 : 1);
    if (!after.has_value() || sizes->size() != rank || !IsOne(*sizes, *after)) return std::nullopt;
    return after;
  }

  static bool IsOne(const std::vector<ExportedSize>& sizes, size_t dimension) {
    return dimension < sizes.size() && sizes[dimension].known == 1;
  }

  const std::vector<ExportedSize>* SizesOf(const std::string& name) const {
    const auto found = graph_.tensors.find(name);
    return found == graph_.tensors.end() ? nullptr : &found->second.sizes;
  }

  const ExportedGraph& graph_;
  // By tensor: which of its sizes is too many; nothing: that is not certain.
  std::map<std::string, std::optional<size_t>> wrong_;
};

}  // namespace

LstmSizes FindLstmSizes(const ExportedGraph& graph) { return Follower(graph).Run(); }

}  // namespace torchferry::plan
