#include "server/torch/load/forward_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "server/base/status.h"
#include "server/torch/device/convert.h"
#include "server/torch/load/test_forward.h"

namespace torchferry::libtorch {
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
  const absl::Status status = DefineText(module, source);
  EXPECT_TRUE(status.ok()) << status;
  return status.ok() ? module.forward(std::move(inputs)).toTensor() : at::Tensor();
}

std::string ErrorOf(const std::string& source) {
  torch::jit::Module module = MakeModule();
  const absl::Status status = DefineText(module, source);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  return base::MessageOf(status);
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

// LibTorch computes defaults while it compiles: before anybody can look at what they call.
TEST(ForwardSourceTest, DefaultsCallNothing) {
  const std::filesystem::path target = std::filesystem::path(::testing::TempDir()) / "mapped_by_a_default";
  std::filesystem::remove(target);
  for (const std::string& value :
       {"torch.from_file(\"" + target.string() + "\", True, 10)",
        std::string("torch.zeros([1])._reshape_alias([9], [1])"), std::string("[torch.zeros([1])]")}) {
    torch::jit::Module module("m");
    const absl::Status status =
        DefineText(module, "def forward(self, x: Tensor,\n            y: Tensor = " + value + "):\n    return x\n");
    EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("m/forward.py:2: a default value")) << value;
  }
  EXPECT_FALSE(std::filesystem::exists(target));
  torch::jit::Module module("m");
  const absl::Status status =
      DefineText(module,
                 "def forward(self, x: Tensor, a: int = -1, b: Optional[Tensor] = None, c: List[int] = [1, 2]):\n"
                 "    return x\n");
  EXPECT_TRUE(status.ok()) << status;
}

TEST(ForwardSourceTest, NumberedChildrenByIndexAndByGetattr) {
  const at::Tensor out = RunForward(
      "def forward(self, x: Tensor) -> Tensor:\n"
      "    return x.sum() * self.layers[0].weight * getattr(self.layers, \"1\").inner[0].weight\n");
  EXPECT_EQ(out.item<float>(), 45.0F);
}

TEST(ForwardSourceTest, AnIndexOfATensorStaysAnIndex) {
  EXPECT_EQ(RunForward("def forward(self, x: Tensor) -> Tensor:\n    return self.fc.weight[0]\n").sizes(),
            at::IntArrayRef({3}));
}

TEST(ForwardSourceTest, ErrorsHaveLineColumnAndWhatToWrite) {
  EXPECT_THAT(ErrorOf("def forward(self, x: Tensor) -> Tensor:\n    y = x\n    return self.layers[0](y)\n"),
              AllOf(StartsWith("m/forward.py:3:12: self.layers[0] holds weight [1]"), HasSubstr("nn.LayerNorm(1)")));
  EXPECT_THAT(ErrorOf("def forward(self, x: Tensor) -> Tensor:\n    y = self.layers\n    return y[0](x)\n"),
              AllOf(StartsWith("m/forward.py:3:12: self.layers[0] holds weight [1]"), HasSubstr("nn.LayerNorm(1)")));
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

// What LibTorch quotes of a source is as long as its lines.
TEST(ForwardSourceTest, LongLinesGiveShortErrors) {
  const std::string word(3'000'000, 'a');
  for (const std::string& source : {"def forward(self, x: Tensor) -> Tensor:\n    return " + word + "\n",
                                    "def forward(self, x: Tensor) -> Tensor:\n    return x + $  # " + word + "\n",
                                    "x = '" + word + "'\n", "import " + word + "\n", "'" + word + "\n"}) {
    EXPECT_LT(ErrorOf(source).size(), 3'000u);
  }
}

TEST(ModuleFromKeysTest, FloatingTensorsAreParametersAndTheRestBuffers) {
  const torch::jit::Module module = MakeModule();
  std::vector<std::string> buffers;
  for (const auto& buffer : module.named_buffers()) buffers.push_back(buffer.name);
  EXPECT_EQ(buffers, std::vector<std::string>{"steps"});
  EXPECT_EQ(module.named_parameters().size(), 4u);
}

// Tensors of one storage each, as a file would hold them.
class BytesOfTensors final : public checkpoint::StorageBytes {
 public:
  explicit BytesOfTensors(std::vector<at::Tensor> tensors) : tensors_(std::move(tensors)) {}
  absl::Status Read(size_t index, std::span<std::byte> out) const override {
    std::memcpy(out.data(), tensors_[index].const_data_ptr(), out.size());
    return absl::OkStatus();
  }

 private:
  const std::vector<at::Tensor> tensors_;
};

checkpoint::Checkpoint CheckpointOf(const std::map<std::string, at::Tensor>& named) {
  checkpoint::CheckpointIndex index;
  std::vector<at::Tensor> tensors;
  for (const auto& [key, tensor] : named) {
    index.tensors.push_back(
        {key, FromTorch(tensor.scalar_type()), tensor.sizes().vec(), tensor.strides().vec(), tensors.size(), 0});
    index.storages.push_back({key, "cpu", tensor.nbytes()});
    tensors.push_back(tensor);
  }
  return checkpoint::Checkpoint(std::move(index), std::make_unique<BytesOfTensors>(std::move(tensors)));
}

at::Tensor Bias(const torch::jit::Module& module) { return module.attr("fc").toModule().attr("bias").toTensor(); }

TEST(FillModuleTest, FillsByNameAndCastsToTheArchitecturesDtype) {
  torch::jit::Module module = MakeModule();
  const at::Tensor weight = module.attr("fc").toModule().attr("weight").toTensor().clone();
  const checkpoint::Checkpoint checkpoint =
      CheckpointOf({{"a", at::ones({7})}, {"b", at::full({2}, 0.5, at::kHalf)}, {"c", at::ones({1})}});
  ASSERT_TRUE(FillModule(module, checkpoint, {"not.there", "fc.bias", ""}).ok());
  EXPECT_EQ(Bias(module).scalar_type(), at::kFloat);
  EXPECT_EQ(Bias(module)[0].item<float>(), 0.5F);
  EXPECT_TRUE(at::equal(module.attr("fc").toModule().attr("weight").toTensor(), weight));
}

TEST(FillModuleTest, NamesBothShapes) {
  torch::jit::Module module = MakeModule();
  EXPECT_THAT(base::MessageOf(FillModule(module, CheckpointOf({{"b", at::ones({4})}}), {"fc.bias"})),
              AllOf(HasSubstr("fc.bias"), HasSubstr("[4]"), HasSubstr("[2]")));
}

TEST(ReadTensorsTest, LeavesOutWhatHasNoNameAndKeepsSharedStorageShared) {
  checkpoint::CheckpointIndex index;
  index.tensors = {{"a", tensor::DType::kFp32, {2}, {1}, 0, 0},
                   {"b", tensor::DType::kFp32, {1}, {1}, 0, 1},
                   {"c", tensor::DType::kFp32, {1}, {1}, 0, 0}};
  index.storages = {{"0", "cpu", 8}};
  const checkpoint::Checkpoint checkpoint(
      std::move(index), std::make_unique<BytesOfTensors>(std::vector<at::Tensor>{at::tensor({1.0F, 2.0F})}));
  const auto tensors = ReadTensors(checkpoint, {"x", "y", ""});
  ASSERT_TRUE(tensors.ok());
  ASSERT_EQ(tensors->size(), 2u);
  EXPECT_EQ(tensors->at("y").item<float>(), 2.0F);
  tensors->at("x").fill_(5.0F);
  EXPECT_EQ(tensors->at("y").item<float>(), 5.0F);
}

TEST(ForwardSourceTest, ANumberedChildMayBeChosenByArithmetic) {
  const std::string begin = "def forward(self, x: Tensor) -> Tensor:\n    return x * self.layers[";
  EXPECT_EQ(RunForward(begin + "2 - 1].inner[0].weight\n").sum().item<double>(), 15.0);
  EXPECT_THAT(ErrorOf(begin + "1 + 1].weight\n"), HasSubstr("no keys below this module's child \"2\""));
}

}  // namespace
}  // namespace torchferry::libtorch
