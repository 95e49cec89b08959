// Rewritten code runs where it is wanted: on the CPU where it named a GPU, which is not there, and on the meta device
// where it named or meant the CPU.
#include "server/torch/graph/rewrite_devices.h"

#include <gmock/gmock.h>
#include <torch/script.h>

#include <string>
#include <vector>

namespace torchferry::libtorch {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;
using torch::jit::Module;

const RewriteTarget kCpu{.device = at::kCPU};
const RewriteTarget kMeta{.device = at::kMeta, .renames_cpu = true};
const RewriteTarget kMetaButCpu{.device = at::kMeta, .renames_cpu = false};

Module Compile(const std::string& body) {
  Module module("m");
  module.define("def forward(self, x: Tensor) -> Tensor:\n  " + body + "\n");
  module.eval();
  return module;
}

Rewritten Rewrite(const Module& module, const RewriteTarget& target) {
  Rewritten rewritten;
  RewriteDevices(*module.get_method("forward").graph(), target, rewritten);
  return rewritten;
}

at::Tensor Forward(Module module, const at::Tensor& x) { return module.forward({x}).toTensor(); }

// `body`, rewritten for the CPU, gives what `wanted` gives as it is.
void ExpectBecomes(const std::string& body, const std::string& wanted, int devices) {
  SCOPED_TRACE(body);
  const Module module = Compile(body);
  EXPECT_EQ(Rewrite(module, kCpu).devices, devices);
  const at::Tensor x = at::arange(4, at::kFloat);
  EXPECT_TRUE(at::equal(Forward(module, x), Forward(Compile(wanted), x)));
}

// Where the result of `body` lies after it was rewritten, given a tensor on the CPU.
at::Device DeviceAfter(const std::string& body, const RewriteTarget& target, int devices) {
  SCOPED_TRACE(body);
  const Module module = Compile(body);
  EXPECT_EQ(Rewrite(module, target).devices, devices);
  return Forward(module, at::arange(4, at::kFloat)).device();
}

TEST(RewriteDevicesTest, AGpuInTheCodeBecomesTheDeviceThatIsThere) {
  ExpectBecomes("return x.to('cuda:0') + 1", "return x + 1", 1);
  ExpectBecomes("return x.cuda() * 2", "return x * 2", 1);
  ExpectBecomes("return x.to(torch.device('cuda', 0)) + torch.arange(4, device='cuda:1')", "return x + torch.arange(4)",
                2);
  ExpectBecomes("return x.to(torch.device('cuda' if x.size(0) > 1 else 'cpu')) + 1", "return x + 1", 1);
  ExpectBecomes("return x.to(['cuda:0', 'cpu'][x.dim() - 1]) + 1", "return x + 1", 1);
}

TEST(RewriteDevicesTest, TheCpuIsRenamedWhereTheModuleWasOnIt) {
  EXPECT_EQ(DeviceAfter("return x.to('cpu')", kMeta, 1), at::kMeta);
  EXPECT_EQ(DeviceAfter("return x.cpu()", kMeta, 1), at::kMeta);
  EXPECT_EQ(DeviceAfter("return x.to('cpu')", kMetaButCpu, 0), at::kCPU);
  EXPECT_EQ(DeviceAfter("return x.cpu()", kMetaButCpu, 0), at::kCPU);
}

TEST(RewriteDevicesTest, ADeviceThatIsLeftOutIsTheCpu) {
  EXPECT_EQ(DeviceAfter("return torch.zeros([4])", kMeta, 1), at::kMeta);
  EXPECT_EQ(DeviceAfter("return torch.zeros([4])", kMetaButCpu, 0), at::kCPU);
  // Of what is made like a tensor, it is that tensor's.
  EXPECT_EQ(DeviceAfter("return torch.zeros_like(x)", kMeta, 0), at::kCPU);
}

TEST(RewriteDevicesTest, AChoiceThatKeepsTheCpuStaysOne) {
  const std::string body = "return x.to(['cuda:0', 'cpu'][x.dim()])";
  const Module module = Compile(body);
  EXPECT_EQ(Rewrite(module, kMetaButCpu).devices, 1);
  EXPECT_EQ(Forward(module, at::ones({})).device(), at::kMeta);
  EXPECT_EQ(Forward(module, at::ones({2})).device(), at::kCPU);
}

TEST(RewriteDevicesTest, AnAttributeIsNotedAndNotRewritten) {
  Module module("m");
  module.register_attribute("where", c10::StringType::get(), std::string("cuda:0"));
  module.define("def forward(self, x: Tensor) -> Tensor:\n  return x.to(self.where)\n");
  const Rewritten rewritten = Rewrite(module, kCpu);
  EXPECT_EQ(rewritten.count(), 0);
  EXPECT_THAT(rewritten.attributes, ElementsAre(Pair(module.type().get(), "where")));
}

TEST(RewriteDevicesTest, WhatAnOperatorTakesFromTheHostIsFetchedThere) {
  const std::string body = "return torch.tensor_split(x, torch.argmax(x).unsqueeze(0), 0)[1]";
  EXPECT_EQ(Rewrite(Compile(body), kMeta).on_host, 1);
  EXPECT_EQ(Rewrite(Compile(body), kCpu).on_host, 0);
}

}  // namespace
}  // namespace torchferry::libtorch
