#include "server/plan/code_scan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/base/status.h"

namespace torchferry::plan {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(ScanSourceTest, LetsOrdinaryCodeThrough) {
  EXPECT_TRUE(ScanSource("def forward(self, x: Tensor) -> Tensor:\n  _0 = torch.relu(x)  # torch.save\n"
                         "  s = \"torch.save\"\n  self.save(x)\n  return ops.prim.NumToTensor(torch.size(_0, 0))\n",
                         "code/m.py")
                  .ok());
}

// As an archive has a module whose attribute has that name.
TEST(ScanSourceTest, AnAttributeMayHaveTheNameOfANamespace) {
  EXPECT_TRUE(ScanSource("class M(Module):\n  ops : __torch__.torch.nn.modules.container.Sequential\n"
                         "  def forward(self, x: Tensor) -> Tensor:\n    ops0 = self.ops\n"
                         "    return torch.neg((ops0).forward(x, ))\n",
                         "code/m.py")
                  .ok());
}

// What PyTorch writes for a submodule that is called torch.
TEST(ScanSourceTest, ASubmoduleMayBeCalledTorch) {
  for (const char* code : {"torch = self.torch\n  return (torch).forward(x, )\n", "_0 = ((torch).forward(x, ), x)\n",
                           "_0 = [(torch).forward((torch).forward(x, ), )]"}) {
    EXPECT_TRUE(ScanSource(code, "code/m.py").ok()) << code;
  }
}

TEST(ScanSourceTest, ASubmodulesNameIsNoWayToTheNamespace) {
  for (const char* code :
       {"torch = self.torch\n  (torch).save(x, 'f')\n", "return (torch).save(x, 'f')", "return (torch\n).save(x, 'f')",
        "(torch).autograd.save(x, 'f')", "(torch).autograd.forward(x)", "torch.forward(x)", "f(torch).relu(x)",
        "getattr(torch, 'save')(x)", "x[torch].relu()", "torch = torch", "torch = (torch)", "torch = ops.aten",
        "t = (torch)", "((torch)).save(x)", "torch == 1", "torch, t = (x, torch)", "(f)(torch).relu(x)"}) {
    EXPECT_EQ(ScanSource(code, "m.py").code(), absl::StatusCode::kDataLoss) << code;
  }
}

TEST(ScanSourceTest, NamesTheOperatorFileAndLine) {
  const absl::Status status =
      ScanSource("def forward(self, x: Tensor) -> Tensor:\n  torch.save(x, \"f\")\n", "m.pt/code/m.py");
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(base::MessageOf(status),
              AllOf(HasSubstr("m.pt/code/m.py:2"), HasSubstr("torch.save"), HasSubstr("--trust-model-code")));
}

TEST(ScanSourceTest, SeesThroughSpellings) {
  for (const char* code : {
           "torch . save(x, 'f')",
           "torch.\\\n  save(x, 'f')",
           "torch.autograd.save(x, 'f')",
           "torch.autograd.autograd.from_file('f')",
           "ops.aten.save(x, 'f')",
           "ops.aten.from_file('f')",
           "ops.c10d.send([x], p, 0, 0)",
           "ops.prim.rpc_async(a, b, c)",
           "t = torch\n  t.save(x, 'f')",
           "o = ops.aten\n  o.save(x, 'f')",
           "getattr(torch, 'save')(x, 'f')",
           "'a\\'' + torch.save(x, 'f')",
           "pi = 3.\ntorch.save(x, 'f')",
           "pi = 3.5e1\ntorch.save(x, 'f')",
           "a = \'\'\'\"\'\'\' + torch.save(x, 'f')",
           "a = \"\"\"it's\n\"\"\"\ntorch.save(x, 'f')",
           "x not intorch.save(x, 'f')",
           "x is nottorch.save(x, 'f')",
           "1e5torch.save(x, 'f')",
           "0x1torch.save(x, 'f')",
           "2jtorch.save(x, 'f')",
           "x = 1  # type: torch.save(x, 'f')",
           "x[...\\\ntorch.save(x, 'f')]",
       }) {
    EXPECT_EQ(ScanSource(code, "m.py").code(), absl::StatusCode::kDataLoss) << code;
  }
}

TEST(ScanSourceTest, RefusesWhatTheLexerDoesNotReadToItsEnd) {
  for (const char* code : {"x = $\n", "x = 'a\n'\n", "x = \"\"\"a", "y = \xc3\xa9", "x = 1;"}) {
    EXPECT_THAT(base::MessageOf(ScanSource(code, "m.py")), AllOf(HasSubstr("m.py:1"), HasSubstr("has not"))) << code;
  }
}

TEST(ScanSourceTest, LongSourcesTakeOnePass) {
  std::string names = "x = ";
  while (names.size() < 10'000'000) names += "torch.autograd.autograd.relu.torch + ops.aten.relu.ops + ";
  EXPECT_TRUE(ScanSource(names + "1", "m.py").ok());
  EXPECT_TRUE(CustomOperators(names).empty());
  EXPECT_TRUE(ScanSource("x = " + std::string(10'000'000, '('), "m.py").ok());
  EXPECT_FALSE(ScanSource("x = '" + std::string(10'000'000, '('), "m.py").ok());
}

TEST(CustomOperatorsTest, AreThoseOfOtherLibraries) {
  EXPECT_THAT(CustomOperators("def forward(self, x: Tensor) -> Tensor:\n"
                              "  # ops.fake.comment(x)\n"
                              "  a = ops.torchvision.nms(x, x, 0.5)\n"
                              "  b = ops.aten.relu(x)\n"
                              "  return self.ops.mine.f(a)\n"),
              ElementsAre("torchvision::nms"));
}

}  // namespace
}  // namespace torchferry::plan
