// Rewritten code computes what code that was written with the other type computes.
#include "server/torch/graph/rewrite_dtypes.h"

#include <gmock/gmock.h>
#include <torch/script.h>

#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace torchferry::libtorch {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;
using torch::jit::Module;

// The numbers of element types in code: 5 is FP16, 6 FP32, 7 FP64, 15 BF16.
const RewriteTarget kHalfToFloat{.from = {at::kHalf}, .to = at::kFloat};
const RewriteTarget kFloatToHalf{.from = {at::kFloat}, .to = at::kHalf};
const RewriteTarget kFloatToBf16{.from = {at::kFloat}, .to = at::kBFloat16};

Module Compile(const std::string& body) {
  Module module("m");
  module.define("def forward(self, x: Tensor) -> Tensor:\n  " + body + "\n");
  module.eval();
  return module;
}

int Rewrite(const Module& module, const RewriteTarget& target) {
  Rewritten rewritten;
  RewriteDtypes(*module.get_method("forward").graph(), target, rewritten);
  return rewritten.dtypes;
}

at::Tensor Forward(Module module, const at::Tensor& x) { return module.forward({x}).toTensor(); }

// `body`, rewritten, gives what `wanted` gives as it is.
void ExpectBecomes(const RewriteTarget& target, const std::string& body, const std::string& wanted, int dtypes) {
  SCOPED_TRACE(body);
  const Module module = Compile(body);
  EXPECT_EQ(Rewrite(module, target), dtypes);
  const at::Tensor x = at::tensor({0.1F, -2.0F, 3.0F, 0.7F}).to(target.to);
  const at::Tensor y = Forward(module, x);
  const at::Tensor expected = Forward(Compile(wanted), x);
  EXPECT_EQ(y.scalar_type(), expected.scalar_type());
  EXPECT_TRUE(at::equal(y, expected)) << y << expected;
}

TEST(RewriteDtypesTest, ConstantsThatAreElementTypes) {
  ExpectBecomes(kHalfToFloat, "return x.to(5)", "return x.to(6)", 1);
  ExpectBecomes(kHalfToFloat, "return x * torch.ones([4], dtype=5)", "return x * torch.ones([4], dtype=6)", 1);
  ExpectBecomes(kHalfToFloat, "return torch.softmax(x, 0, dtype=5)", "return torch.softmax(x, 0, dtype=6)", 1);
  ExpectBecomes(kHalfToFloat, "return x.to(7) + x.to(5)", "return x.to(7) + x.to(6)", 1);
}

TEST(RewriteDtypesTest, NumbersThatAreNoElementTypesStay) {
  ExpectBecomes(kHalfToFloat, "return x + 5", "return x + 5", 0);
  ExpectBecomes(kHalfToFloat, "return torch.ones([5, 4]).sum(0) * x", "return torch.ones([5, 4]).sum(0) * x", 0);
}

TEST(RewriteDtypesTest, ElementTypesOfBranchesTuplesAndLists) {
  ExpectBecomes(kHalfToFloat, "t = 5 if x.size(0) > 3 else 7\n  return x.to(t)", "return x.to(6)", 1);
  ExpectBecomes(kHalfToFloat, "t, more = (5, 7)\n  return x.to(t)", "return x.to(6)", 1);
  ExpectBecomes(kHalfToFloat, "types = [5]\n  types.append(7)\n  return x.to(types[0])", "return x.to(6)", 1);
}

TEST(RewriteDtypesTest, WhatAnElementTypeIsComparedWith) {
  ExpectBecomes(kHalfToFloat, "if x.dtype == 5:\n    return x * 2\n  return x", "return x * 2", 1);
  ExpectBecomes(kHalfToFloat, "if x.dtype in [5, 15]:\n    return x * 2\n  return x", "return x * 2", 1);
}

TEST(RewriteDtypesTest, TheLargestNumberFollowsTheType) {
  ExpectBecomes(kFloatToHalf, "return torch.masked_fill(x, x > 0, -3.4028234663852886e+38)",
                "return torch.masked_fill(x, x > 0, -65504.0)", 1);
  ExpectBecomes(kFloatToHalf, "return torch.clamp(x, -1.0, 3.4028234663852886e+38)",
                "return torch.clamp(x, -1.0, 65504.0)", 1);
  ExpectBecomes(kFloatToBf16, "return torch.masked_fill(x, x > 0, -3.4028234663852886e+38)",
                "return torch.masked_fill(x, x > 0, -3.3895313892515355e+38)", 1);
}

TEST(RewriteDtypesTest, AnAttributeIsNotedAndNotRewritten) {
  Module module("m");
  module.register_attribute("type", c10::IntType::get(), int64_t{5});
  module.define("def forward(self, x: Tensor) -> Tensor:\n  return x.to(self.type)\n");
  Rewritten rewritten;
  RewriteDtypes(*module.get_method("forward").graph(), kHalfToFloat, rewritten);
  EXPECT_EQ(rewritten.count(), 0);
  EXPECT_THAT(rewritten.attributes, ElementsAre(Pair(module.type().get(), "type")));
}

TEST(RewriteDtypesTest, NothingChangesWhereAllTypesStay) {
  const Module module = Compile("return x.to(5)");
  const std::string before = module.get_method("forward").graph()->toString();
  EXPECT_EQ(Rewrite(module, RewriteTarget()), 0);
  EXPECT_EQ(module.get_method("forward").graph()->toString(), before);
}

}  // namespace
}  // namespace torchferry::libtorch
