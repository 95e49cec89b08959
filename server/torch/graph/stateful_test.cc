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

// Gives y, so that LibTorch does not take the statements for dead code.
std::string Forward(const std::string& statements) {
  return fmt::format("def forward(self, x: Tensor) -> Tensor:\n  y = x\n  {}\n  return y\n", statements);
}

TEST(FindStateTest, WritesToWhatTheCallMakesAreNone) {
  for (const char* write : {
           // What was computed from an attribute is none, in whatever it lies.
           "a = [x + self.count, self.count * 2]\n  y = a[1].add_(1)",
           "a = [self.count * 2]\n  a.append(x)\n  y = a[0].add_(1) + a.pop().add_(1)",
           "a, b = [self.count, x + 1]\n  y = b.add_(a)",
           "a, b = (self.count, x + 1)\n  y = b.add_(a)",
           "a = (self.count, (x + 1, self.count))\n  y = a[1][0].add_(1)",
           "a = {'a': self.count + 1}\n  y = a['a'].add_(1)\n  for k, v in a.items():\n    y += v.mul_(2)",
           "for i in range(3):\n    y = y + self.count\n    y.relu_()",
           "a = self.count\n  for i in range(3):\n    a = a + 1\n  z = a + 1\n  y = z.add_(1)",
           "a = torch.chunk(x + self.count, 2)\n  y = a[0].add_(1)",
           "a = x + self.count\n  if bool(a.sum() > 0):\n    y = a.view(-1)\n  else:\n    y = a.t()\n  y.add_(1)",
           "y = torch.zeros([2, 3])\n  y[:, 0:1] = self.count",
           "y = torch.zeros([2])\n  y.copy_(self.count)\n  y.add_(1)",
           "a = torch.lstm_cell(x, [x, x], self.count, self.count)\n  y = a[0].relu_()",
           "y = torch.rnn_tanh_cell(x, x, self.count, self.count)\n  y.relu_()",
           "a = torch.gru(x, x, [self.count, self.count], True, 1, 0.0, False, False, False)\n  y = a[0].relu_()",
           "y = torch.relu_(torch.linear(x, self.count))",
           "y = torch.relu_(torch.conv1d(x, self.count))",
           "y = torch.dropout(x + self.count, 0.5, False)\n  y.add_(1)",
           "y = torch.stack(self.past)\n  y.add_(1)",
           "y = torch.add(x, self.count, out=torch.empty_like(x))\n  y.mul_(2)",
           "y = self.count.clone()\n  y.zero_()",
           "y = torch.softmax(x * self.count, -1)\n  y.masked_fill_(y > 0, 1.0)",
       }) {
    EXPECT_EQ(ReasonOf(Make(Forward(write))), "none") << write;
  }
}

TEST(FindStateTest, FindsWritesThatGoALongWay) {
  for (const char* write : {
           "y = x\n  if bool(x.sum() > 0):\n    y = self.count\n  y.add_(1)",
           "y = x + 1\n  for i in range(3):\n    y.add_(1)\n    y = self.count",
           "a, b = (x + 1, self.count)\n  b.add_(a)",
           "a = (x, (x + 1, self.count))\n  a[1][1].add_(1)",
           "a = (x, (x + 1, self.count))\n  a[-1][-1].add_(1)",
           "a = (x, self.count, x)[1:]\n  a[0].add_(1)",
           "a = {'a': self.count}\n  a['a'].add_(1)",
           "a = {'a': self.count}\n  for k, v in a.items():\n    v.add_(1)",
           "a = {'a': self.count}\n  a.values()[0].add_(1)",
           "a = {'a': x}\n  a.get('b', self.count).add_(1)",
           "a = {'a': x}\n  a.setdefault('b', self.count).add_(1)",
           "a = [x]\n  a.append(self.count)\n  a[-1].add_(1)",
           "a = [x, self.count]\n  a.reverse()\n  a[0].add_(1)",
           "a = [x, self.count]\n  a.pop(0)\n  a[0].add_(1)",
           "a = [x]\n  a[0] = self.count\n  a[0].add_(1)",
           "a = [x] + [self.count]\n  a[1].add_(1)",
           "a = [[x], [self.count]]\n  for b in a:\n    for c in b:\n      c.add_(1)",
           "a = [x]\n  a.extend([self.count])\n  a[1].add_(1)",
           "a = list([x, self.count])\n  a[1].add_(1)",
           "a = [x, self.count].copy()\n  a[1].add_(1)",
           "a = [x, self.count][1:]\n  a[0].add_(1)",
           "a = [self.count] * 2\n  a[0].add_(1)",
           "a = [(x, self.count)]\n  for b, c in a:\n    c.add_(1)",
           "for i, c in enumerate([self.count]):\n    c.add_(1)",
           "for y, c in zip([x], [self.count]):\n    c.add_(1)",
           "torch.chunk(self.count, 1)[0].add_(1)",
           "torch.unbind(self.count)[0].add_(1)",
           "a, b = torch.split(self.count, 1)\n  a.add_(1)",
           "y = self.count.unsafe_chunk(1)[0].add_(1)",
           "y = torch.unsafe_split(self.count, 1)[0].add_(1)",
           "self.count.contiguous().add_(1)",
           "self.count.detach().expand(2, 1)[0].add_(1)",
           "self.count.to(x).add_(1)",
           "self.count.float().add_(1)",
           "y = self.count.type_as(x).add_(1)",
           "self.count.data.add_(1)",
           "self.count.reshape(1).flatten().t().squeeze().unsqueeze(0).add_(1)",
           "y = torch.dropout(self.count, 0.5, False).add_(1)",
           "y = torch.einsum('i->i', [self.count]).add_(1)",
           "y = torch.atleast_2d(self.count).add_(1)",
           "y = torch.broadcast_tensors([self.count])[0].add_(1)",
           "y = torch.meshgrid([self.count])[0].add_(1)",
           "y = torch.dequantize(self.count).add_(1)",
           "y = torch.conj_physical(self.count).add_(1)",
           "y = torch._unsafe_view(self.count, [1]).add_(1)",
           "y = torch.sum_to_size(self.count, [1])\n  y.add_(1)",
           "torch.mul(x, 2, out=self.count)",
           "torch.relu_(self.count)",
           "self.count[0:1].copy_(x)",
           "self.count.index_put_([torch.nonzero(x)[0]], x)",
           "self.count += 1",
       }) {
    const std::string reason = ReasonOf(Make(Forward(write)));
    EXPECT_THAT(reason, HasSubstr("self.count")) << write;
  }
}

TEST(FindStateTest, FindsMemoryThatIsPutInATensor) {
  EXPECT_THAT(ReasonOf(Make(Forward("y = x + 1\n  y.set_(self.count)\n  y.add_(1)"))), HasSubstr("calls set_"));
}

TEST(FindStateTest, FindsStatisticsThatAreWrittenWithoutAWord) {
  EXPECT_EQ(ReasonOf(Make(Forward("y = torch.batch_norm_update_stats(x, self.count, self.count, 0.1)[0]"))),
            "forward updates the running statistics of batch_norm_update_stats");
}

TEST(FindStateTest, TheConfigurationLiftsWhatIsNotCertainAndNothingElse) {
  const auto find = [](const std::string& write, std::optional<bool> stateful) {
    return FindState(Make(Forward(write)), "m/1/m.pt", stateful);
  };
  for (const char* maybe : {"self.count.contiguous().add_(1)", "y = torch.dropout(self.count, 0.5, False).add_(1)",
                            "for a in [x + 1, self.count]:\n    y = y + a.add_(1)"}) {
    const auto state = find(maybe, std::nullopt);
    ASSERT_TRUE(state.ok() && state->has_value()) << maybe;
    EXPECT_FALSE((*state)->is_certain) << maybe;
    EXPECT_EQ((*state)->reason, "forward may write to self.count") << maybe;
    const auto lifted = find(maybe, false);
    ASSERT_TRUE(lifted.ok()) << lifted.status();
    EXPECT_FALSE(lifted->has_value()) << maybe;
  }
  for (const char* certain :
       {"self.count = x", "self.count.view(-1)[0:1].add_(1)", "[self.count][0].add_(1)", "self.past.append(x)",
        "self.past[0].add_(1)", "y = x\n  if bool(x.sum() > 0):\n    y = self.count\n  y.add_(1)"}) {
    const auto state = find(certain, std::nullopt);
    ASSERT_TRUE(state.ok() && state->has_value()) << certain;
    EXPECT_TRUE((*state)->is_certain) << certain;
    const absl::Status refused = find(certain, false).status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition) << certain;
    EXPECT_THAT(base::MessageOf(refused), HasSubstr("torchferry.stateful is false, but forward")) << certain;
  }
  const auto state = find("y = x + 1\n  y.add_(1)", true);
  ASSERT_TRUE(state.ok() && state->has_value());
  EXPECT_TRUE((*state)->writes_any_tensor);
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
