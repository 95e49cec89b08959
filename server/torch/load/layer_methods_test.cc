#include "server/torch/load/layer_methods.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "server/base/status.h"
#include "server/plan/forward_layers.h"
#include "server/plan/layer_library.h"
#include "server/plan/python_parser.h"
#include "server/torch/graph/model_code.h"
#include "server/torch/load/state_dict.h"
#include "server/torch/load/test_forward.h"

namespace torchferry::libtorch {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

absl::StatusOr<torch::jit::Module> Made(const std::string& source, const NamedTensors& tensors) {
  absl::StatusOr<torch::jit::Module> module = ModuleOf(source, tensors);
  if (module.ok()) module->eval();
  return module;
}

at::Tensor Answer(const std::string& source, const NamedTensors& tensors, std::vector<c10::IValue> inputs) {
  absl::StatusOr<torch::jit::Module> module = Made(source, tensors);
  EXPECT_TRUE(module.ok()) << module.status();
  return module.ok() ? module->forward(std::move(inputs)).toTensor() : at::Tensor();
}

std::string ErrorOf(const std::string& source, const NamedTensors& tensors) {
  return base::MessageOf(Made(source, tensors).status());
}

const NamedTensors kLinear = {{"fc.weight", at::full({2, 3}, 2.0)}, {"fc.bias", at::ones({2})}};

TEST(LayerMethodsTest, ALinearWithABiasIsCalledWithoutABlock) {
  const at::Tensor out = Answer("def forward(self, x):\n    return self.fc(x)\n", kLinear, {at::ones({1, 3})});
  EXPECT_TRUE(at::equal(out, at::full({1, 2}, 7.0)));
}

TEST(LayerMethodsTest, LoopsChooseModulesByNumber) {
  const at::Tensor out = Answer(
      "class Net(nn.Module):\n"
      "    def __init__(self, depth=2):\n"
      "        super().__init__()\n"
      "        self.depth = depth\n"
      "        self.layers = nn.ModuleList([nn.Linear(1, 1) for _ in range(depth)])\n"
      "    def forward(self, x):\n"
      "        for i in range(self.depth - 1, -1, -1):\n"
      "            x = self.layers[i](x) + len(self.layers)\n"
      "        for i in range(len(self.layers) - 1):\n"
      "            x = self.layers[i + 1](x)\n"
      "        return x\n",
      {{"layers.0.weight", at::full({1, 1}, 2.0)},
       {"layers.0.bias", at::zeros({1})},
       {"layers.1.weight", at::full({1, 1}, 3.0)},
       {"layers.1.bias", at::ones({1})}},
      {at::ones({1, 1})});
  EXPECT_EQ(out.item<float>(), ((3 + 1 + 2) * 2 + 2) * 3 + 1);
}

// Loops in loops are compiled once for each turn.
TEST(LayerMethodsTest, UnrolledLoopsHaveALimit) {
  std::string source =
      "def __init__(self):\n    self.fc = nn.Linear(3, 2)\n    self.n = 900\n"
      "    self.all = nn.ModuleList([nn.Identity() for _ in range(900)])\n\ndef forward(self, x):\n";
  EXPECT_THAT(
      ErrorOf(source + "    for a in self.all:\n        for b in self.all:\n            x = b(a(x))\n    return x\n",
              kLinear),
      AllOf(StartsWith("m/forward.py:8:"), HasSubstr("loops over modules")));
  EXPECT_THAT(ErrorOf(source + "    for i in range(self.n):\n        for j in range(self.n):\n"
                               "            x = self.all[i](self.all[j](x))\n    return x\n",
                      kLinear),
              AllOf(StartsWith("m/forward.py:8:"), HasSubstr("loops over modules")));
  EXPECT_EQ(ErrorOf(source + "    for a in self.all:\n        x = a(x)\n    return self.fc(x)\n", kLinear), "");
}

TEST(LayerMethodsTest, WhatAForwardPassCannotHaveSaysWhatToWrite) {
  const auto net = [](const std::string& constructor, const std::string& forward) {
    return "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.fc = nn.Linear(3, "
           "2)\n"
           "        " +
           constructor + "\n    def forward(self, x):\n        " + forward + "\n";
  };
  EXPECT_THAT(ErrorOf(net("self.mask = torch.ones(3)", "return self.fc(x * self.mask)"), kLinear),
              AllOf(StartsWith("m/forward.py:7:"), HasSubstr("self.register_buffer(\"mask\"")));
  EXPECT_THAT(ErrorOf(net("self.all = [self.fc]", "return self.all[0](x)"), kLinear), HasSubstr("nn.ModuleList"));
  EXPECT_THAT(ErrorOf(net("self.all = nn.ModuleList([nn.ReLU()])", "return self.all[int(x.sum())](x)"), kLinear),
              HasSubstr("a literal number"));
  EXPECT_THAT(ErrorOf(net("self.all = nn.ModuleList([nn.ReLU()])", "return self.all(x)"), kLinear),
              HasSubstr("has no forward"));
  EXPECT_THAT(ErrorOf(net("self.n = 2000", "return self.fc(x, x)"), kLinear), StartsWith("m/forward.py:7:"));
}

// Every layer of the library compiles, with what its constructor needs, and uses operators that a model may use.
TEST(LayerMethodsTest, EveryLayerCompilesAndPassesTheListOfOperators) {
  const std::map<std::string, std::string> arguments = {{"Unflatten", "1, (2, 2)"},
                                                        {"Upsample", "scale_factor=2"},
                                                        {"UpsamplingNearest2d", "scale_factor=2"},
                                                        {"UpsamplingBilinear2d", "2"},
                                                        {"PairwiseDistance", ""},
                                                        {"LayerNorm", "4"},
                                                        {"TransformerEncoder", "nn.TransformerEncoderLayer(4, 2), 1"},
                                                        {"Threshold", "1, 2"},
                                                        {"TransformerDecoder", "nn.TransformerDecoderLayer(4, 2), 1"},
                                                        {"ConstantPad1d", "1, 2.0"},
                                                        {"ConstantPad2d", "1, 2.0"},
                                                        {"ConstantPad3d", "1, 2.0"},
                                                        {"Bilinear", "4, 4, 4"},
                                                        {"Fold", "4, 2"},
                                                        {"MultiheadAttention", "4, 2"},
                                                        {"TransformerEncoderLayer", "4, 2"},
                                                        {"TransformerDecoderLayer", "4, 2"}};
  size_t count = 0;
  for (const auto& [name, type] : plan::LayerLibrary().classes) {
    if (name.starts_with('_') || name == "ModuleList" || name == "ModuleDict") continue;
    std::string given;
    const auto known = arguments.find(name);
    if (known != arguments.end()) {
      given = known->second;
    } else {
      const auto constructor = plan::ParseFunction(type.functions.find("__init__")->second);
      ASSERT_TRUE(constructor.ok()) << constructor.status();
      const auto needed = std::ranges::count_if(constructor->parameters, [](const plan::Parameter& parameter) {
        return parameter.kind == plan::ExprKind::kName && !parameter.has_default && parameter.name != "self";
      });
      for (int64_t i = 0; i < needed; ++i) given += i == 0 ? "4" : ", 4";
    }
    const std::string source =
        "def __init__(self):\n    self.layer = nn." + name + "(" + given + ")\n\ndef forward(self, x):\n    return x\n";
    // The tensors that it wants, as errors name them.
    NamedTensors tensors;
    absl::StatusOr<torch::jit::Module> module = Made(source, tensors);
    for (int tries = 0; tries < 60 && !module.ok(); ++tries) {
      const std::string message = base::MessageOf(module.status());
      const size_t key = message.find("has no \"");
      const size_t shape = message.find(" [");
      if (key != std::string::npos) {
        tensors[message.substr(key + 8, message.find('"', key + 8) - key - 8)] = at::ones({});
      } else if (shape != std::string::npos && message.find("was expected") != std::string::npos) {
        std::vector<int64_t> sizes;
        const std::string list = message.substr(shape + 2, message.find(']', shape) - shape - 2);
        for (size_t at = 0; at < list.size();
             at = list.find(',', at) == std::string::npos ? list.size() : list.find(',', at) + 2) {
          sizes.push_back(std::stoll(list.substr(at)));
        }
        const std::string path =
            message.substr(message.find("self.") + 5, message.find(" is ") - message.find("self.") - 5);
        const size_t named = message.rfind(": ", shape) + 2;
        tensors[path + "." + message.substr(named, shape - named)] = at::ones(sizes);
      } else {
        break;
      }
      module = Made(source, tensors);
    }
    ASSERT_TRUE(module.ok()) << name << ": " << module.status();
    EXPECT_TRUE(CheckModelCode(*module).ok()) << name << ": " << CheckModelCode(*module);
    ++count;
  }
  EXPECT_GT(count, 100u);
}

}  // namespace
}  // namespace torchferry::libtorch
