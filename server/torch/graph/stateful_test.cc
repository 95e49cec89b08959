#include "server/torch/graph/stateful.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/base/status.h"

namespace torchferry::libtorch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using torch::jit::Module;

// With a buffer `count` [1] and a list of tensors `past`.
Module Make(const std::string& forward, const std::string& others = "") {
  Module module("m");
  module.register_buffer("count", at::zeros({1}));
  module.register_attribute("past", c10::ListType::ofTensors(), c10::List<at::Tensor>());
  if (!others.empty()) module.define(others);
  module.define(forward);
  module.eval();
  return module;
}

std::optional<ModuleState> Find(const Module& module) {
  const auto state = FindState(module, "m/1/m.pt");
  EXPECT_TRUE(state.ok()) << state.status();
  return state.value_or(std::nullopt);
}

std::string ReasonOf(const Module& module) {
  const auto state = Find(module);
  return state.has_value() ? state->reason : "none";
}

TEST(FindStateTest, IsNothingForAModuleThatOnlyReads) {
  EXPECT_EQ(ReasonOf(Make("def forward(self, x: Tensor) -> Tensor:\n  return x + self.count\n")), "none");
  // In place on what forward made, and on its input.
  EXPECT_EQ(ReasonOf(Make("def forward(self, x: Tensor) -> Tensor:\n"
                          "  y = x + self.count\n"
                          "  y.relu_()\n"
                          "  x -= self.count\n"
                          "  y[0] = x[0]\n"
                          "  parts = [self.count, y]\n"
                          "  return torch.cat(parts)\n")),
            "none");
}

TEST(FindStateTest, FindsAnAttributeThatIsAssigned) {
  const Module module = Make("def forward(self, x: Tensor) -> Tensor:\n  self.count = self.count + 1\n  return x\n");
  const auto state = Find(module);
  ASSERT_TRUE(state.has_value());
  EXPECT_EQ(state->reason, "forward assigns self.count");
  // The new value takes the old one's place, whose memory stays as it is.
  EXPECT_FALSE(state->writes_tensors);
  EXPECT_THAT(state->written, IsEmpty());
}

TEST(FindStateTest, FindsAWriteInPlace) {
  const auto state = Find(Make("def forward(self, x: Tensor) -> Tensor:\n  self.count.add_(1)\n  return x\n"));
  ASSERT_TRUE(state.has_value());
  EXPECT_EQ(state->reason, "forward writes to self.count");
  EXPECT_TRUE(state->writes_tensors);
  EXPECT_FALSE(state->writes_any_tensor);
  EXPECT_THAT(state->written, ElementsAre("count"));
}

TEST(FindStateTest, FindsAWriteThroughAViewAListAndAnAlias) {
  for (const char* write :
       {"self.count.view(-1)[0:1].mul_(2)", "self.count[0] = x[0, 0]", "[self.count][0].add_(1)",
        "torch.add(x, 1, out=self.count)", "a = self.count\n  a += 1", "(self.count, x)[0].zero_()"}) {
    EXPECT_EQ(ReasonOf(Make(fmt::format("def forward(self, x: Tensor) -> Tensor:\n  {}\n  return x\n", write))),
              "forward writes to self.count")
        << write;
  }
}

TEST(FindStateTest, FindsAListThatGrowsAndItsElements) {
  for (const char* write : {"self.past.append(x)", "self.past[0].add_(1)"}) {
    const auto state = Find(Make(fmt::format("def forward(self, x: Tensor) -> Tensor:\n  {}\n  return x\n", write)));
    ASSERT_TRUE(state.has_value()) << write;
    EXPECT_EQ(state->reason, "forward writes to self.past") << write;
    EXPECT_THAT(state->written, ElementsAre("past")) << write;
  }
}

TEST(FindStateTest, LooksIntoTheMethodsThatForwardCallsAndNoOthers) {
  const std::string step = "def step(self):\n  self.count.add_(1)\n";
  EXPECT_EQ(ReasonOf(Make("def forward(self, x: Tensor) -> Tensor:\n  self.step()\n  return x\n", step)),
            "step writes to self.count");
  EXPECT_EQ(ReasonOf(Make("def forward(self, x: Tensor) -> Tensor:\n  return x\n", step)), "none");
}

TEST(FindStateTest, NamesTheSubmodulesAttribute) {
  Module module("m");
  module.register_module("inner", Make("def forward(self, x: Tensor) -> Tensor:\n  self.count = x\n  return x\n"));
  module.define("def forward(self, x: Tensor) -> Tensor:\n  return self.inner.forward(x)\n");
  EXPECT_EQ(ReasonOf(module), "forward assigns self.inner.count");
}

TEST(FindStateTest, LeavesOutWhatOnlyTrainingWrites) {
  const std::string forward =
      "def forward(self, x: Tensor) -> Tensor:\n"
      "  if self.training and x.size(0) > 1:\n"
      "    self.count.add_(1)\n"
      "  return torch.batch_norm(x, None, None, self.count, self.count, {}, 0.1, 1e-5, False)\n";
  Module module("m");
  module.register_attribute("training", c10::BoolType::get(), true);
  module.register_buffer("count", at::zeros({1}));
  module.define(fmt::format(fmt::runtime(forward), "self.training"));
  EXPECT_EQ(ReasonOf(module), "none");

  Module traced("m");
  traced.register_attribute("training", c10::BoolType::get(), false);
  traced.register_buffer("count", at::zeros({1}));
  traced.define(fmt::format(fmt::runtime(forward), "True"));
  const auto state = Find(traced);
  ASSERT_TRUE(state.has_value());
  EXPECT_EQ(state->reason, "forward updates the running statistics of batch_norm");
  EXPECT_THAT(state->written, ElementsAre("count"));
}

TEST(FindStateTest, CountsWhatIsStoredNowAndWrittenInTheNextCall) {
  Module module("m");
  module.register_buffer("table", at::zeros({1}));
  module.register_buffer("other", at::zeros({1}));
  module.register_buffer("last", at::zeros({1}));
  module.define(
      "def forward(self, x: Tensor) -> Tensor:\n"
      "  self.last.add_(1)\n"
      "  self.last = self.table\n"
      "  return x + self.other\n");
  const auto state = Find(module);
  ASSERT_TRUE(state.has_value());
  EXPECT_THAT(state->written, UnorderedElementsAre("last", "table"));
}

TEST(FindStateTest, RefusesAWriteToAConstantOfTheGraph) {
  Module module("m");
  module.define("def forward(self, x: Tensor) -> Tensor:\n  return x\n");
  const auto graph = module.get_method("forward").graph();
  const torch::jit::WithInsertPoint guard(*graph->nodes().begin());
  torch::jit::Value* const constant = graph->insertConstant(at::zeros({1}));
  graph->insert(c10::aten::add_, {constant, 1});
  const auto state = FindState(module, "m/1/m.pt");
  EXPECT_EQ(state.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(base::MessageOf(state.status()), HasSubstr("m/1/m.pt: forward writes to a constant"));
}

}  // namespace
}  // namespace torchferry::libtorch
