#include "server/torch/graph/row_dimensions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/torch/graph/reachable_graph.h"

namespace torchferry::libtorch {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

struct Found {
  std::string sentence;
  ModelSignature signature;

  std::vector<size_t> rows() const {
    std::vector<size_t> rows;
    for (const tensor::TensorSpec& spec : signature.signature.inputs) rows.push_back(spec.row_dimension);
    return rows;
  }
};

config::TensorConfig Input(std::string name, tensor::Shape dims) {
  config::TensorConfig input;
  input.name = std::move(name);
  input.dtype = tensor::DType::kFp32;
  input.dims = std::move(dims);
  return input;
}

Found Find(const std::string& source, config::ModelConfig config = {}) {
  torch::jit::Module module("m");
  module.register_attribute("w", c10::ListType::ofTensors(), c10::List<at::Tensor>());
  module.define(source);
  module.eval();
  config.max_batch_size = 8;
  const auto graph = ReachableGraph(module);
  auto signature = MakeSignature(module.get_method("forward").function().getSchema(), config, graph.get());
  EXPECT_TRUE(signature.ok()) << signature.status();
  Found found{"", *std::move(signature)};
  if (HasRecurrentOperators(module)) found.sentence = FindRowDimensions(*graph, found.signature);
  return found;
}

constexpr char kLstm[] =
    "def forward(self, x: Tensor, h0: Tensor, c0: Tensor) -> Tensor:\n"
    "  return torch.lstm(x, [h0.contiguous(), c0], self.w, True, 3, 0., False, True, True)[0]\n";

TEST(RowDimensionsTest, TheStateOfAnLstmHasItsRowsInDimensionOne) {
  const Found found = Find(kLstm);
  EXPECT_EQ(found.rows(), (std::vector<size_t>{0, 1, 1}));
  EXPECT_THAT(found.sentence, AllOf(HasSubstr("\"c0\", \"h0\""), HasSubstr("aten::lstm")));
}

TEST(RowDimensionsTest, TheNumberOfLayersIsKnownThen) {
  config::ModelConfig config;
  config.inputs = {Input("x", {-1, 4}), Input("h0", {-1, 8}), Input("c0", {-1, 8})};
  const Found found = Find(kLstm, config);
  EXPECT_EQ(found.signature.signature.inputs[1].shape, (tensor::Shape{6, -1, 8}));
  EXPECT_EQ(found.signature.signature.inputs[0].shape, (tensor::Shape{-1, -1, 4}));
}

TEST(RowDimensionsTest, ASequenceThatIsNotBatchFirstHasThemThereToo) {
  EXPECT_EQ(Find("def forward(self, x: Tensor, h: Tensor) -> Tensor:\n"
                 "  return torch.gru(x, h, self.w, True, 1, 0., False, False, False)[0]\n")
                .rows(),
            (std::vector<size_t>{1, 1}));
  EXPECT_EQ(Find("def forward(self, x: Tensor, h: Tensor) -> Tensor:\n"
                 "  return torch.rnn_tanh(x.transpose(0, 1), h, self.w, True, 1, 0., False, False, False)[0]\n")
                .rows(),
            (std::vector<size_t>{0, 1}));
}

TEST(RowDimensionsTest, AStateInATupleOrOptionalIsFollowed) {
  EXPECT_EQ(Find("def forward(self, x: Tensor, state: Optional[Tuple[Tensor, Tensor]] = None) -> Tensor:\n"
                 "  if state is None:\n"
                 "    state = (torch.zeros([1, x.size(0), 8]), torch.zeros([1, x.size(0), 8]))\n"
                 "  h, c = state\n"
                 "  return torch.lstm(x, [h, c], self.w, True, 1, 0., False, False, True)[0]\n")
                .rows(),
            (std::vector<size_t>{0, 1, 1}));
}

TEST(RowDimensionsTest, AStateThatTheModelTransposesHasThemFirst) {
  const Found found = Find(
      "def forward(self, x: Tensor, h: Tensor) -> Tensor:\n"
      "  return torch.gru(x, h.transpose(0, 1), self.w, True, 1, 0., False, False, True)[0]\n");
  EXPECT_EQ(found.rows(), (std::vector<size_t>{0, 0}));
  EXPECT_EQ(found.sentence, "");
  EXPECT_EQ(Find("def forward(self, x: Tensor) -> Tensor:\n  return x * 2\n").sentence, "");
}

// By the config there are two layers in each row: the rows are first.
TEST(RowDimensionsTest, TheConfigMaySayOtherwise) {
  config::ModelConfig config;
  config.inputs = {Input("x", {-1, 4}), Input("h0", {2, 8}), Input("c0", {2, 8})};
  EXPECT_EQ(Find(kLstm, config).rows(), (std::vector<size_t>{0, 0, 0}));
}

}  // namespace
}  // namespace torchferry::libtorch
