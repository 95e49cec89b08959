#include "server/plan/layer_match.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/base/status.h"
#include "server/plan/forward_layers.h"

namespace torchferry::plan {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string Block(const std::string& line) {
  return "def __init__(self):\n    " + line + "\n\ndef forward(self, x):\n    return x\n";
}

std::string ErrorOf(const std::string& line, const KeyShapes& keys) {
  return base::MessageOf(PlanLayers(Block(line), "f.py", keys).status());
}

TEST(LayerMatchTest, ShapesAreHeldAgainstTheWeightsAndTheArgumentIsNamed) {
  const KeyShapes conv = {{"c.weight", {64, 3, 7, 7}}, {"c.bias", {64}}};
  EXPECT_THAT(ErrorOf("self.c = nn.Conv2d(3, 64, 5)", conv),
              AllOf(StartsWith("f.py:2:14: self.c is nn.Conv2d(3, 64, 5): "),
                    HasSubstr("weight [64, 3, 5, 5] was expected, the checkpoint has [64, 3, 7, 7]"),
                    EndsWith("write kernel_size=7")));
  EXPECT_THAT(ErrorOf("self.c = nn.Conv2d(1, 64, 7)", conv), EndsWith("write in_channels=3"));
  EXPECT_THAT(ErrorOf("self.c = nn.Conv2d(1, 32, 7)", conv), EndsWith("write in_channels=3, out_channels=64"));
  EXPECT_THAT(ErrorOf("self.c = nn.Conv2d(3, 64, 7, bias=False)", conv),
              AllOf(HasSubstr("\"c.bias\" [64], which this layer does not hold"), EndsWith("write bias=True")));
  EXPECT_EQ(ErrorOf("self.c = nn.Conv2d(3, 64, 7, 2, 3)", conv), "");
  EXPECT_THAT(ErrorOf("self.c = nn.Conv2d(4, 8, 3)", {{"c.weight", {8, 2, 3, 5}}, {"c.bias", {8}}}),
              HasSubstr("kernel_size=(3, 5)"));
  EXPECT_THAT(ErrorOf("self.c = nn.Linear(3, 5)", {{"c.weight", {5, 3}}}),
              AllOf(HasSubstr("has no \"c.bias\""), EndsWith("write bias=False")));
  EXPECT_THAT(ErrorOf("self.n = nn.BatchNorm2d(5)", {{"n.running_mean", {5}}, {"n.running_var", {5}}}),
              EndsWith("write affine=False"));
  EXPECT_THAT(ErrorOf("self.n = nn.LayerNorm(5)", {{"n.weight", {4, 5}}, {"n.bias", {4, 5}}}),
              EndsWith("write normalized_shape=(4, 5)"));
}

// Trying other arguments of what takes long takes no longer.
TEST(LayerMatchTest, TrialsHaveALimit) {
  EXPECT_THAT(ErrorOf("self.r = nn.LSTM(5, 6, 2000)", {{"r.weight_ih_l0", {24, 5}}, {"r.weight_hh_l0", {24, 6}}}),
              HasSubstr("the checkpoint has no \"r."));
}

TEST(LayerMatchTest, LayersOfSeveralTensors) {
  KeyShapes lstm;
  for (const std::string layer : {"0", "1"}) {
    lstm["r.weight_ih_l" + layer] = {24, layer == "0" ? 5 : 6};
    lstm["r.weight_hh_l" + layer] = {24, 6};
    lstm["r.bias_ih_l" + layer] = lstm["r.bias_hh_l" + layer] = {24};
  }
  EXPECT_EQ(ErrorOf("self.r = nn.LSTM(5, 6, 2)", lstm), "");
  EXPECT_THAT(ErrorOf("self.r = nn.LSTM(5, 6)", lstm), EndsWith("write num_layers=2"));
  EXPECT_THAT(ErrorOf("self.r = nn.LSTM(5, 7, 2)", lstm), EndsWith("write hidden_size=6"));
  const KeyShapes attention = {
      {"a.in_proj_weight", {24, 8}}, {"a.in_proj_bias", {24}}, {"a.out_proj.weight", {8, 8}}, {"a.out_proj.bias", {8}}};
  EXPECT_EQ(ErrorOf("self.a = nn.MultiheadAttention(8, 2)", attention), "");
  EXPECT_THAT(ErrorOf("self.a = nn.MultiheadAttention(16, 2)", attention), EndsWith("write embed_dim=8"));
}

TEST(LayerMatchTest, LayersWithoutKeysAndKeysWithoutLayersAreSaid) {
  EXPECT_THAT(ErrorOf("self.fc = nn.Linear(3, 5)", {{"head.weight", {5, 3}}}),
              AllOf(StartsWith("f.py:2:15: self.fc is nn.Linear(3, 5): the checkpoint has no \"fc."),
                    HasSubstr("head.weight")));
  const auto layers =
      PlanLayers(Block("self.fc = nn.Linear(3, 5)"), "f.py", {{"fc.weight", {5, 3}}, {"fc.bias", {5}}, {"scale", {1}}});
  ASSERT_TRUE(layers.ok()) << layers.status();
  EXPECT_THAT((*layers)->decisions, ElementsAre(HasSubstr("1 of 3 keys belong to no layer of f.py: scale")));
  // A checkpoint of before PyTorch 0.4.1, and one of today.
  const KeyShapes norm = {{"n.weight", {5}}, {"n.bias", {5}}, {"n.running_mean", {5}}, {"n.running_var", {5}}};
  EXPECT_EQ(ErrorOf("self.n = nn.BatchNorm1d(5)", norm), "");
  KeyShapes counted = norm;
  counted["n.num_batches_tracked"] = {};
  EXPECT_EQ(ErrorOf("self.n = nn.BatchNorm1d(5)", counted), "");
}

TEST(LayerMatchTest, BuffersThatAreNotSavedAreRefusedWithAWayOut) {
  EXPECT_THAT(ErrorOf("self.register_buffer('mask', torch.ones(3), persistent=False)", {{"a", {1}}}),
              AllOf(HasSubstr("the buffer \"mask\" is not persistent"), HasSubstr("remove persistent=False")));
  EXPECT_EQ(ErrorOf("self.register_buffer('mask', torch.ones(3), persistent=False)", {{"mask", {3}}}), "");
  EXPECT_THAT(ErrorOf("self.p = nn.Parameter(torch.zeros(1, 3))", {{"p", {1, 4}}}),
              HasSubstr("p [1, 3] was expected, the checkpoint has [1, 4]"));
}

TEST(LayerSuggestionTest, CalledModulesThatKeysDoNotTellAreRefusedWithTheLine) {
  const auto error = [](const std::string& call, const KeyShapes& keys) {
    return base::MessageOf(PlanLayers("def forward(self, x):\n    return " + call + "(x)\n", "f.py", keys).status());
  };
  EXPECT_EQ(error("self.fc", {{"fc.weight", {5, 3}}, {"fc.bias", {5}}}), "");
  EXPECT_THAT(error("self.conv1", {{"conv1.weight", {64, 3, 7, 7}}, {"conv1.bias", {64}}}),
              AllOf(StartsWith("f.py:2:12: self.conv1 holds bias [64], weight [64, 3, 7, 7]"),
                    HasSubstr("self.conv1 = nn.Conv2d(3, 64, kernel_size=(7, 7), stride=?, padding=?)")));
  EXPECT_THAT(error("self.fc", {{"fc.weight", {5, 3}}}),
              HasSubstr("self.fc = nn.Linear(3, 5, bias=False), or nn.Embedding(5, 3)"));
  EXPECT_THAT(error("self.n[0]", {{"n.0.weight", {5}}, {"n.0.bias", {5}}}), HasSubstr("self.n[0] = nn.LayerNorm(5)"));
  EXPECT_THAT(error("self.bn", {{"bn.weight", {5}}, {"bn.bias", {5}}, {"bn.running_mean", {5}}}),
              HasSubstr("nn.BatchNorm2d(5)"));
  EXPECT_THAT(error("self.r", {{"r.weight_ih_l0", {24, 5}}, {"r.weight_hh_l0", {24, 6}}, {"r.weight_ih_l1", {24, 6}}}),
              HasSubstr("self.r = nn.LSTM(5, 6, num_layers=2, bias=False, batch_first=?)"));
  EXPECT_THAT(error("self.a", {{"a.in_proj_weight", {24, 8}}}), HasSubstr("nn.MultiheadAttention(8, num_heads=?"));
  EXPECT_THAT(error("self.body", {{"body.0.weight", {5, 3}}, {"body.0.bias", {5}}}), HasSubstr("which layer that is"));
}

}  // namespace
}  // namespace torchferry::plan
