#include "server/torch/graph/memory_flow.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/torch/graph/reachable_graph.h"

namespace torchferry::libtorch {
namespace {

std::shared_ptr<torch::jit::Graph> GraphOf(const std::string& forward) {
  torch::jit::Module inner("inner");
  inner.register_buffer("count", at::zeros({1}));
  torch::jit::Module module("m");
  module.register_module("inner", inner);
  module.define(forward);
  module.eval();
  return ReachableGraph(module);
}

TEST(MemoryFlowTest, NamesTheAttributeThatIsWritten) {
  const auto graph = GraphOf("def forward(self, x: Tensor) -> Tensor:\n  return self.inner.count.add_(x)\n");
  const MemoryFlow flow(*graph);
  EXPECT_TRUE(flow.IsComplete());
  ASSERT_EQ(flow.writes().size(), 1u);
  ASSERT_EQ(flow.writes()[0].places.size(), 1u);
  EXPECT_EQ(flow.PathOf(flow.writes()[0].places[0]), "inner.count");
}

TEST(MemoryFlowTest, BeyondItsBoundNothingIsSure) {
  std::string forward = "def forward(self, x: Tensor) -> Tensor:\n  a = [x]\n";
  for (int i = 0; i < 50; ++i) forward += "  a.append(a[-1] + 1)\n  a[-1].add_(1)\n";
  const auto graph = GraphOf(forward + "  return a[0]\n");
  EXPECT_TRUE(MemoryFlow(*graph).IsComplete());
  EXPECT_FALSE(MemoryFlow(*graph, /*max_steps=*/100).IsComplete());
}

}  // namespace
}  // namespace torchferry::libtorch
