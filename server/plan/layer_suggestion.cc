#include "server/plan/layer_suggestion.h"

#include <algorithm>
#include <utility>

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/plan/interpreter.h"
#include "server/plan/layer_library.h"
#include "server/plan/layer_limits.h"
#include "server/plan/python_parser.h"
#include "server/plan/value_operators.h"

namespace torchferry::plan {
namespace {

using Shapes = std::map<std::string, std::vector<int64_t>, std::less<>>;

// Keys below the module, by what follows its path.
Shapes ShapesBelow(const KeyShapes& keys, const std::string& path) {
  Shapes shapes;
  const std::string prefix = path + ".";
  for (auto it = keys.lower_bound(prefix); it != keys.end() && it->first.starts_with(prefix); ++it) {
    shapes.emplace(it->first.substr(prefix.size()), it->second);
    if (shapes.size() > 64) break;
  }
  return shapes;
}

bool HasKeysBelow(const KeyShapes& keys, const std::string& path) {
  const auto first = keys.lower_bound(path + ".");
  return first != keys.end() && first->first.starts_with(path + ".");
}

bool IsLinear(const Shapes& shapes) {
  const auto weight = shapes.find("weight");
  const auto bias = shapes.find("bias");
  return shapes.size() == 2 && weight != shapes.end() && bias != shapes.end() && weight->second.size() == 2 &&
         bias->second.size() == 1 && bias->second[0] == weight->second[0];
}

std::string Recurrent(const Shapes& shapes) {
  const std::vector<int64_t>& input = shapes.at("weight_ih_l0");
  const auto hidden = shapes.find("weight_hh_l0");
  if (input.size() != 2 || hidden == shapes.end() || hidden->second.size() != 2 || hidden->second[1] == 0) {
    return "nn.LSTM(input_size, hidden_size, …)";
  }
  const int64_t gates = input[0] / hidden->second[1];
  size_t layers = 1;
  while (shapes.contains(fmt::format("weight_ih_l{}", layers))) ++layers;
  return fmt::format("nn.{}({}, {}{}{}{}, batch_first=?)",
                     gates == 4   ? "LSTM"
                     : gates == 3 ? "GRU"
                                  : "RNN",
                     input[1], hidden->second[1], layers > 1 ? fmt::format(", num_layers={}", layers) : "",
                     shapes.contains("bias_ih_l0") ? "" : ", bias=False",
                     shapes.contains("weight_ih_l0_reverse") ? ", bidirectional=True" : "");
}

std::string Line(const Shapes& shapes) {
  if (shapes.contains("weight_ih_l0")) return Recurrent(shapes);
  const auto packed = shapes.find("in_proj_weight");
  if (packed != shapes.end() && packed->second.size() == 2) {
    return fmt::format("nn.MultiheadAttention({}, num_heads=?, batch_first=?)", packed->second[1]);
  }
  const auto weight = shapes.find("weight");
  if (weight == shapes.end()) return "";
  const std::vector<int64_t>& shape = weight->second;
  const std::string bias = shapes.contains("bias") ? "" : ", bias=False";
  if (shapes.contains("running_mean") && shape.size() == 1) {
    return fmt::format("nn.BatchNorm2d({}) (or BatchNorm1d, BatchNorm3d), with eps=? where it was another than 1e-5",
                       shape[0]);
  }
  if (shape.size() == 1) {
    return fmt::format(
        "nn.LayerNorm({0}) (or nn.GroupNorm(num_groups=?, {0})), with eps=? where it was another than 1e-5", shape[0]);
  }
  if (shape.size() == 2) {
    return fmt::format("nn.Linear({}, {}{}){}", shape[1], shape[0], bias,
                       bias.empty() ? "" : fmt::format(", or nn.Embedding({}, {})", shape[0], shape[1]));
  }
  if (shape.size() < 3 || shape.size() > 5) return "";
  const size_t n = shape.size() - 2;
  return fmt::format(
      "nn.Conv{}d({}, {}, kernel_size=({}{}), stride=?, padding=?{}) (or nn.ConvTranspose{}d, whose weight "
      "is [in, out, …])",
      n, shape[1], shape[0], fmt::join(shape.begin() + 2, shape.end(), ", "), n == 1 ? "," : "", bias, n);
}

// A module that is called: its path, and where.
struct CalledModule {
  std::vector<std::string> parts;
  const char* at = nullptr;
};

// self.layers[0].fc(…)
std::vector<CalledModule> FindCalls(const PythonFile& file) {
  std::vector<CalledModule> calls;
  const std::vector<ScriptToken>& tokens = file.tokens;
  const auto text = [&](size_t at) { return at < tokens.size() ? tokens[at].text : std::string_view(); };
  for (size_t begin = 0; begin < tokens.size(); ++begin) {
    if (text(begin) != "self" || (begin > 0 && text(begin - 1) == ".")) continue;
    CalledModule call{{}, tokens[begin].text.data()};
    size_t at = begin + 1;
    while (true) {
      if (text(at) == "." && at + 1 < tokens.size() && tokens[at + 1].kind == ScriptTokenKind::kWord) {
        call.parts.emplace_back(text(at + 1));
        at += 2;
      } else if (text(at) == "[" && text(at + 2) == "]" && tokens[at + 1].kind == ScriptTokenKind::kNumber) {
        call.parts.emplace_back(text(at + 1));
        at += 3;
      } else {
        break;
      }
    }
    if (text(at) == "(" && !call.parts.empty()) calls.push_back(std::move(call));
  }
  return calls;
}

std::string Joined(const std::vector<std::string>& parts) { return fmt::format("{}", fmt::join(parts, ".")); }

// self.layers[0].fc
std::string Spelled(const std::string& path) {
  std::string spelled = "self";
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find('.', begin), path.size());
    const std::string part = path.substr(begin, end - begin);
    begin = end + 1;
    const bool is_number = !part.empty() && part.find_first_not_of("0123456789") == std::string::npos;
    spelled += is_number ? fmt::format("[{}]", part) : fmt::format(".{}", part);
  }
  return spelled;
}

}  // namespace

std::string MissingLayer(const KeyShapes& keys, const std::string& path) {
  const Shapes shapes = ShapesBelow(keys, path);
  std::vector<std::string> held;
  for (const auto& [name, shape] : shapes) held.push_back(fmt::format("{} {}", name, ShownShape(shape)));
  const std::string line = Line(shapes);
  const std::string spelled = Spelled(path);
  if (shapes.empty() || line.empty()) {
    return fmt::format(
        "{} holds {}, but the file does not say which layer that is. Write it in `def __init__(self):`, as in self.fc "
        "= nn.Linear(64, 10), or call an operator with its tensors",
        spelled, held.empty() ? "no tensors" : checkpoint::Listed(held, 4));
  }
  return fmt::format(
      "{} holds {}, which do not say its stride, heads, eps and the like; write the layer into `def __init__(self):` "
      "{} = {}",
      spelled, checkpoint::Listed(held, 4), spelled, line);
}

absl::StatusOr<std::unique_ptr<ModuleTree>> LayersFromCalls(const std::shared_ptr<const PythonFile>& file,
                                                            const KeyShapes& keys) {
  auto tree = std::make_unique<ModuleTree>();
  tree->file = file;
  Interpreter interpreter(*tree);
  ModuleNode& root = interpreter.NewModule();
  tree->root = &root;
  for (const auto& [name, function] : file->functions) tree->reachable.push_back(name);
  for (const CalledModule& call : FindCalls(*file)) {
    const std::string path = Joined(call.parts);
    if (!HasKeysBelow(keys, path)) continue;  // a method, of this file or of a tensor
    const Shapes shapes = ShapesBelow(keys, path);
    if (!IsLinear(shapes)) {
      return base::MakeStatus(absl::StatusCode::kInvalidArgument, "{}: {}", PlaceOf(*file, call.at),
                              MissingLayer(keys, path));
    }
    ModuleNode* node = &root;
    for (size_t i = 0; i + 1 < call.parts.size(); ++i) {
      PlanValue& child = node->members[call.parts[i]];
      if (!child.Is(ValueKind::kModule)) {
        child.kind = ValueKind::kModule;
        child.module = &interpreter.NewModule();
        node->child_order.push_back(call.parts[i]);
      }
      node = child.module;
    }
    PlanValue& leaf = node->members[call.parts.back()];
    if (leaf.Is(ValueKind::kModule)) continue;
    const std::vector<int64_t>& weight = shapes.at("weight");
    node->child_order.push_back(call.parts.back());
    leaf = interpreter.Construct(LayerLibrary().classes.at("Linear"), {{IntValue(weight[1]), IntValue(weight[0])}, {}},
                                 fmt::format("nn.Linear({}, {})", weight[1], weight[0]));
    if (!interpreter.ok()) return interpreter.status();
  }
  return tree;
}

}  // namespace torchferry::plan
