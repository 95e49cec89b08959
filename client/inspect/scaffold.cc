#include "client/inspect/scaffold.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <set>
#include <string_view>

#include "client/inspect/attribute_path.h"
#include "client/text/text.h"

namespace torchferry::client {
namespace {

// The tensors of one module, by their last name.
struct ModuleTensors {
  std::string path;  // "layers.0.fc"; empty: the root
  std::map<std::string, const InspectedTensor*> tensors;

  const InspectedTensor* Find(const std::string& name) const {
    const auto found = tensors.find(name);
    return found == tensors.end() ? nullptr : found->second;
  }
  size_t RankOf(const std::string& name) const {
    const InspectedTensor* tensor = Find(name);
    return tensor == nullptr ? 0 : tensor->shape.size();
  }
  bool HasOnly(const std::set<std::string>& names) const {
    return std::ranges::all_of(tensors, [&](const auto& entry) { return names.contains(entry.first); });
  }
  // `self.fc.weight`, or `None` when there is none.
  std::string Or(const std::string& name, const char* otherwise = "None") const {
    const InspectedTensor* tensor = Find(name);
    return tensor == nullptr ? otherwise : AttributePath(tensor->name);
  }
};

std::vector<ModuleTensors> GroupByModule(const Inspection& inspection) {
  std::vector<ModuleTensors> modules;
  std::map<std::string, size_t> known;
  for (const InspectedTensor& tensor : inspection.tensors) {
    if (tensor.name.empty()) continue;
    const size_t dot = tensor.name.rfind('.');
    const std::string path = dot == std::string::npos ? "" : tensor.name.substr(0, dot);
    const std::string last = dot == std::string::npos ? tensor.name : tensor.name.substr(dot + 1);
    const auto [at, is_new] = known.try_emplace(path, modules.size());
    if (is_new) modules.push_back({path, {}});
    modules[at->second].tensors.emplace(last, &tensor);
  }
  return modules;
}

bool LooksLikeEmbedding(const std::string& path) {
  std::string last = path.substr(path.rfind('.') + 1);
  std::ranges::transform(last, last.begin(), [](unsigned char c) { return std::tolower(c); });
  return last.find("emb") != std::string::npos || last == "wte" || last == "wpe" || last == "shared";
}

std::string Repeated(const std::string& text, size_t count) {
  return fmt::format("[{}]", fmt::join(std::vector<std::string>(count, text), ", "));
}

// Same-size padding of a kernel whose sizes are odd.
std::string Padding(const tensor::Shape& weight) {
  std::vector<int64_t> padding;
  for (size_t i = 2; i < weight.size(); ++i) padding.push_back(weight[i] / 2);
  return fmt::format("[{}]", fmt::join(padding, ", "));
}

// The lines of one module, without indentation; empty: shapes suggest nothing.
using Lines = std::vector<std::string>;

Lines Convolution(const ModuleTensors& module) {
  const tensor::Shape& weight = module.Find("weight")->shape;
  const size_t dimensions = weight.size() - 2;
  return {fmt::format("x = torch.conv{}d(x, {}, {}, {}, {})  # stride, padding: check", dimensions, module.Or("weight"),
                      module.Or("bias"), Repeated("1", dimensions), Padding(weight))};
}

Lines Normalisation(const ModuleTensors& module) {
  if (module.Find("running_mean") != nullptr && module.Find("running_var") != nullptr) {
    return {fmt::format("x = torch.batch_norm(x, {}, {}, {}, {}, False, 0.1, 1e-5, False)", module.Or("weight"),
                        module.Or("bias"), module.Or("running_mean"), module.Or("running_var"))};
  }
  const InspectedTensor* weight = module.Find("weight");
  return {fmt::format("x = torch.layer_norm(x, [{}], {}, {}, 1e-5)  # eps, or another normalisation: check",
                      weight->shape[0], module.Or("weight"), module.Or("bias"))};
}

// weight_ih_l0, weight_hh_l0, … : LSTM has 4 gates, GRU 3, a plain RNN 1.
Lines Recurrent(const ModuleTensors& module) {
  const tensor::Shape& hidden = module.Find("weight_hh_l0")->shape;
  if (hidden.size() != 2 || hidden[1] == 0) return {};
  const int64_t gates = hidden[0] / hidden[1];
  const bool is_bidirectional = module.Find("weight_ih_l0_reverse") != nullptr;
  const bool has_bias = module.Find("bias_ih_l0") != nullptr;
  std::vector<std::string> weights;
  int layers = 0;
  while (module.Find(fmt::format("weight_ih_l{}", layers)) != nullptr) {
    for (const char* direction : {"", "_reverse"}) {
      if (*direction != '\0' && !is_bidirectional) continue;
      for (const char* part : {"weight_ih", "weight_hh", "bias_ih", "bias_hh"}) {
        const std::string name = fmt::format("{}_l{}{}", part, layers, direction);
        if (module.Find(name) != nullptr) weights.push_back(module.Or(name));
      }
    }
    ++layers;
  }
  const char* function = gates == 4 ? "lstm" : gates == 3 ? "gru" : "rnn_tanh";
  const char* state = gates == 4 ? "[state, state]" : "state";
  return {
      fmt::format("state = torch.zeros([{}, x.size(0), {}], dtype=x.dtype, device=x.device)",
                  layers * (is_bidirectional ? 2 : 1), hidden[1]),
      fmt::format("x = torch.{}(x, {}, [{}], {}, {}, 0.0, False, {}, True)[0]  # batch_first: check", function, state,
                  fmt::join(weights, ", "), has_bias ? "True" : "False", layers, is_bidirectional ? "True" : "False"),
  };
}

Lines Guess(const ModuleTensors& module) {
  if (module.Find("weight_ih_l0") != nullptr && module.Find("weight_hh_l0") != nullptr &&
      module.Find("weight_hr_l0") == nullptr) {
    return Recurrent(module);
  }
  if (!module.HasOnly({"weight", "bias", "running_mean", "running_var", "num_batches_tracked"})) return {};
  switch (module.RankOf("weight")) {
    case 1:
      return Normalisation(module);
    case 2:
      if (module.Find("bias") == nullptr && LooksLikeEmbedding(module.path)) {
        return {fmt::format("x = torch.embedding({}, x)", module.Or("weight"))};
      }
      return {fmt::format("x = F.linear(x, {}, {})", module.Or("weight"), module.Or("bias"))};
    case 3:
    case 4:
    case 5:
      return Convolution(module);
    default:
      return {};
  }
}

std::string Describe(const ModuleTensors& module) {
  std::vector<std::string> parts;
  for (const auto& [name, tensor] : module.tensors) {
    parts.push_back(fmt::format("{} {}", Printable(name), tensor::ToString(tensor->shape)));
  }
  // Never "# type:", which is a comment that counts.
  const std::string path = module.path.empty() ? "" : "." + Printable(module.path);
  return fmt::format("# self{}: {}", path, fmt::join(parts, ", "));
}

// What no source can spell, or what is `forward` itself.
bool IsOutOfReach(std::string_view name) {
  if (name.find_first_of("\"\\") != std::string_view::npos) return true;
  return name == "forward" || name.starts_with("forward.");
}

}  // namespace

std::string ScaffoldForward(const Inspection& inspection) {
  std::string text =
      "\"\"\"A start, by torchferry inspect: the tensors by their names, in the order of the file, in calls that their "
      "shapes\n"
      "suggest. Put them into the model's order, add activations and pooling. Check each call.\"\"\"\n"
      "import torch\n"
      "import torch.nn.functional as F\n\n\n"
      "def forward(self, x: Tensor) -> Tensor:\n";
  for (const ModuleTensors& module : GroupByModule(inspection)) {
    text += "    " + Describe(module) + "\n";
    if (IsOutOfReach(module.path)) {
      text += "    # forward.py cannot name these; rename the module\n";
      continue;
    }
    const Lines lines = Guess(module);
    for (const std::string& line : lines) text += "    " + line + "\n";
    if (!lines.empty()) continue;
    for (const auto& [name, tensor] : module.tensors) {
      text += fmt::format("    # {} is not used yet\n", AttributePath(tensor->name));
    }
  }
  return text + "    return x\n";
}

}  // namespace torchferry::client
