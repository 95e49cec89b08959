#include "server/torch/forward_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/base/status.h"
#include "server/torch/state_dict.h"

namespace torchferry {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

torch::jit::Module MakeModule() {
  return ModuleFromKeys({{"fc.weight", at::full({2, 3}, 2.0)},
                         {"fc.bias", at::ones({2})},
                         {"layers.0.weight", at::full({1}, 3.0)},
                         {"layers.1.inner.0.weight", at::full({1}, 5.0)},
                         {"steps", at::ones({1}, at::kLong)}})
      .value();
}

at::Tensor RunForward(const std::string& source, std::vector<c10::IValue> inputs = {at::ones({1, 3})}) {
  torch::jit::Module module = MakeModule();
  const absl::Status status = DefineForward(module, source, "m/forward.py");
  EXPECT_TRUE(status.ok()) << status;
  return status.ok() ? module.forward(std::move(inputs)).toTensor() : at::Tensor();
}

std::string ErrorOf(const std::string& source) {
  torch::jit::Module module = MakeModule();
  const absl::Status status = DefineForward(module, source, "m/forward.py");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  return MessageOf(status);
}

TEST(ForwardSourceTest, UnderstandsWhatAPyTorchUserWrites) {
  const at::Tensor out = RunForward(R"("""A model.

Over several lines: import os
"""
from __future__ import annotations
import math
import torch
import torch.nn.functional as F
from torch import Tensor
from typing import (Dict,
                    List)


def scale(self, x: Tensor) -> Tensor:
    """Helper."""
    return x * math.sqrt(4.0)


def forward(self, x: Tensor) -> Tensor:
    y = F.linear(x, self.fc.weight, self.fc.bias)
    y = torch.nn.functional.relu(y).to(torch.float64)
    return self.scale(y) + math.pi * 0.0
)");
  EXPECT_EQ(out.scalar_type(), at::kDouble);
  EXPECT_TRUE(at::equal(out, at::full({1, 2}, 14.0, at::kDouble)));
}

TEST(ForwardSourceTest, NumberedChildrenByIndexAndByGetattr) {
  const at::Tensor out = RunForward("def forward(self, x: Tensor) -> Tensor:\n"
                             "    return x.sum() * self.layers[0].weight * getattr(self.layers, \"1\").inner[0].weight\n");
  EXPECT_EQ(out.item<float>(), 45.0F);
}

TEST(ForwardSourceTest, AnIndexOfATensorStaysAnIndex) {
  EXPECT_EQ(RunForward("def forward(self, x: Tensor) -> Tensor:\n    return self.fc.weight[0]\n").sizes(), at::IntArrayRef({3}));
}

TEST(ForwardSourceTest, ErrorsHaveLineColumnAndWhatToWrite) {
  EXPECT_THAT(ErrorOf("def forward(self, x: Tensor) -> Tensor:\n    y = x\n    return self.fc(y)\n"),
              AllOf(StartsWith("m/forward.py:3:12: 'self.fc' object has no"), HasSubstr("F.linear(x, self.fc.weight, self.fc.bias)")));
  EXPECT_THAT(ErrorOf("def forward(self, x: Tensor) -> Tensor:\n    return self.fc.wieght\n"),
              AllOf(StartsWith("m/forward.py:2:12: "), HasSubstr("wieght"), HasSubstr("state_dict has keys")));
  EXPECT_THAT(ErrorOf("def forward(self, x: Tensor) -> Tensor:\n    return torch.no_such_thing(x)\n"),
              AllOf(StartsWith("m/forward.py:2:"), HasSubstr("torch.no_such_thing is not an ATen operator")));
  EXPECT_THAT(ErrorOf("def forward(self, x: Tensor) -> Tensor:\n    return self.layers[7].weight\n"),
              AllOf(StartsWith("m/forward.py:2:"), HasSubstr("child \"7\"")));
  EXPECT_THAT(ErrorOf("def forward(self, x: Tensor) -> Tensor:\n  return x +\n"), StartsWith("m/forward.py:"));
  EXPECT_THAT(ErrorOf("def forward(self, x: Tensor) -> Dict[str, Tensor]:\n  return {\n    \"y\": x,\n  }\n"),
              AllOf(StartsWith("m/forward.py:4:"), HasSubstr("no comma after the last item")));
  EXPECT_THAT(ErrorOf("import os\ndef forward(self, x: Tensor) -> Tensor:\n  return x\n"),
              AllOf(StartsWith("m/forward.py:1:1: "), HasSubstr("import os")));
  EXPECT_THAT(ErrorOf("def helper(self, x: Tensor) -> Tensor:\n  return x\n"), HasSubstr("no `def forward"));
  EXPECT_THAT(ErrorOf(""), HasSubstr("no `def forward"));
}

TEST(ForwardSourceTest, RefusesFunctionsWhoseArgumentsComeInAnotherOrder) {
  EXPECT_THAT(ErrorOf("def forward(self, x: Tensor) -> Tensor:\n    return F.embedding(x, self.fc.weight)\n"),
              AllOf(HasSubstr("another order"), HasSubstr("torch.embedding(weight, indices)")));
}

TEST(ModuleFromKeysTest, FloatingTensorsAreParametersAndTheRestBuffers) {
  const torch::jit::Module module = MakeModule();
  std::vector<std::string> buffers;
  for (const auto& buffer : module.named_buffers()) buffers.push_back(buffer.name);
  EXPECT_EQ(buffers, std::vector<std::string>{"steps"});
  EXPECT_EQ(module.named_parameters().size(), 4u);
}

TEST(ModuleFromKeysTest, NamesAKeyThatIsATensorAndAModule) {
  const auto module = ModuleFromKeys({{"a", at::ones({1})}, {"a.b", at::ones({1})}});
  EXPECT_THAT(MessageOf(module.status()), HasSubstr("\"a\""));
  EXPECT_FALSE(ModuleFromKeys({{"a..b", at::ones({1})}}).ok());
  EXPECT_FALSE(ModuleFromKeys({{"a.", at::ones({1})}}).ok());
}

TEST(FillModuleTest, ListsMissingAndUnexpectedKeysAndBothShapes) {
  torch::jit::Module module = MakeModule();
  std::vector<std::string> decisions;
  const std::map<std::string, at::Tensor> wrong = {{"module.fc.weight", at::ones({2, 3})}, {"fc.bias", at::ones({2})}};
  const absl::Status status = FillModule(module, wrong, /*strict=*/true, "m/1/w.pt", decisions);
  EXPECT_THAT(MessageOf(status), AllOf(HasSubstr("m/1/w.pt"), HasSubstr("Missing: fc.weight"), HasSubstr("Unexpected: module.fc.weight")));
  EXPECT_THAT(MessageOf(FillModule(module, {{"fc.bias", at::ones({4})}}, false, "w", decisions)),
              AllOf(HasSubstr("[4]"), HasSubstr("[2]")));
}

TEST(FillModuleTest, CastsToTheArchitecturesDtypeAndSaysSo) {
  torch::jit::Module module = MakeModule();
  std::vector<std::string> decisions;
  ASSERT_TRUE(FillModule(module, {{"fc.bias", at::full({2}, 0.5, at::kHalf)}}, false, "w", decisions).ok());
  EXPECT_EQ(module.attr("fc").toModule().attr("bias").toTensor().scalar_type(), at::kFloat);
  EXPECT_EQ(module.attr("fc").toModule().attr("bias").toTensor()[0].item<float>(), 0.5F);
  EXPECT_THAT(decisions, ::testing::Contains(HasSubstr("fc.bias (FP16 to FP32)")));
}

}  // namespace
}  // namespace torchferry
