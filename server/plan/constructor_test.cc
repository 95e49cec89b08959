#include "server/plan/constructor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "server/base/status.h"
#include "server/plan/forward_layers.h"
#include "server/plan/layer_limits.h"
#include "server/plan/python_file.h"
#include "server/plan/value_operators.h"

namespace torchferry::plan {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

absl::StatusOr<std::unique_ptr<ModuleTree>> Made(const std::string& source) {
  const auto imports = ReadImports(source, "f.py");
  if (!imports.ok()) return imports.status();
  const auto file = ReadPythonFile(*imports, "f.py");
  if (!file.ok()) return file.status();
  return RunConstructors(*file);
}

// A class whose constructor has these lines.
std::string Net(const std::string& lines) {
  std::string source = "class Net(nn.Module):\n    def __init__(self, width=8):\n        super().__init__()\n";
  for (size_t begin = 0; begin < lines.size();) {
    const size_t end = std::min(lines.find('\n', begin), lines.size());
    source += "        " + lines.substr(begin, end - begin) + "\n";
    begin = end + 1;
  }
  return source + "    def forward(self, x):\n        return x\n";
}

std::string ErrorOf(const std::string& source) { return base::MessageOf(Made(source).status()); }

// What `self.it` is after these lines.
std::string It(const std::string& lines) {
  const auto tree = Made(Net(lines));
  if (!tree.ok()) return base::MessageOf(tree.status());
  const auto found = (*tree)->root->members.find("it");
  return found == (*tree)->root->members.end() ? "nothing" : Shown(found->second);
}

TEST(ConstructorTest, ABlockWithoutAClassIsTheModelsConstructor) {
  const auto tree = Made(
      "def __init__(self):\n    self.conv1 = nn.Conv2d(3, 64, 7, 2, 3)\n\ndef forward(self, x):\n    return "
      "self.conv1(x)\n");
  ASSERT_TRUE(tree.ok()) << tree.status();
  const ModuleNode& root = *(*tree)->root;
  EXPECT_THAT(root.child_order, ElementsAre("conv1"));
  const ModuleNode& conv = *root.members.at("conv1").module;
  EXPECT_EQ(conv.spelled, "nn.Conv2d(3, 64, 7, 2, 3)");
  EXPECT_EQ(Shown(conv.members.at("stride")), "[2, 2]");
  EXPECT_EQ(Shown(conv.arguments.at("groups")), "1");
}

TEST(ConstructorTest, ComputesAsPythonDoes) {
  EXPECT_EQ(It("self.it = [7 // 2, -7 // 2, 7 % -3, 2 ** 10, 2 ** -1, 1 / 4, 3 - -2, not 0, 1 < 2 and 3]"),
            "[3, -4, -2, 1024, 0.5, 0.25, 5, True, …]");
  EXPECT_EQ(It("a, (b, c) = 1, (2, 3)\nself.it = (a + b * c, width if a == 1 else 0, 'ab' 'c' + f\"{b}x{c:d}\")"),
            "(7, 8, \"abc2x3\")");
  EXPECT_EQ(It("self.it = ('a' f'{width}' 'b'\n           f'c')"), "\"a8bc\"");
  EXPECT_EQ(It("self.it = []\nfor i, n in enumerate([4, 5], 1):\n    if n == 5: continue\n    self.it += [i, n]"),
            "[1, 4]");
  EXPECT_EQ(
      It("x = list(range(5))[1:-1]\nx.append(9)\nself.it = [sum(x), max(x), len(x), min(3, 2), int(7 / 2), 5 in x]"),
      "[15, 9, 4, 2, 3, False]");
  EXPECT_EQ(It("d = {'a': 1} if False else dict(a=2)\nself.it = [d['a'], d.get('b', 5), 'a' in d]"), "[2, 5, True]");
  EXPECT_EQ(It("self.it = [n * n for n in range(6) if n % 2 == 1]"), "[1, 9, 25]");
  EXPECT_EQ(It("self.it = math.sqrt(width * 2)\nself.it *= 2"), "8");
}

TEST(ConstructorTest, ClassesFunctionsAndConstantsOfTheFile) {
  const auto tree = Made(
      "from functools import partial\n"
      "DIMS = [4, 8]\n"
      "def conv(a, b, **more):\n    return nn.Conv2d(a, b, 3, **more)\n"
      "class Block(nn.Module):\n"
      "    expansion = 2\n"
      "    def __init__(self, dim, down=None):\n"
      "        nn.Module.__init__(self)\n"
      "        self.conv = conv(dim, dim * self.expansion, bias=False)\n"
      "        self.down = down\n"
      "    def forward(self, x):\n        return self.conv(x)\n"
      "class Wide(Block):\n    expansion = 3\n"
      "class Net(nn.Module):\n"
      "    def __init__(self, kind=Wide, norm=partial(nn.LayerNorm, eps=1e-3)):\n"
      "        super(Net, self).__init__()\n"
      "        self.blocks = nn.Sequential(*[kind(d) for d in DIMS], norm(4))\n"
      "        self.apply(self._init_weights)\n"
      "    def _init_weights(self, m):\n        while True: pass\n"
      "    def forward(self, x):\n        return self.blocks(x)\n");
  ASSERT_TRUE(tree.ok()) << tree.status();
  const ModuleNode& blocks = *(*tree)->root->members.at("blocks").module;
  ASSERT_THAT(blocks.child_order, ElementsAre("0", "1", "2"));
  const ModuleNode& wide = *blocks.members.at("1").module;
  EXPECT_EQ(Shown(wide.members.at("conv").module->arguments.at("out_channels")), "24");
  EXPECT_EQ(Shown(blocks.members.at("2").module->arguments.at("eps")), "0.001");
}

TEST(ConstructorTest, TheModelsClassIsTheOneThatNoOtherUses) {
  const std::string two = Net("pass") + "class Other(nn.Module):\n    def forward(self, x):\n        return x\n";
  EXPECT_THAT(ErrorOf(two), AllOf(HasSubstr("Net, Other"), HasSubstr("write `model = NAME(…)`")));
  EXPECT_TRUE(Made(two + "model = Net(3)\n").ok());
  EXPECT_TRUE(Made(Net("pass") + "if __name__ == '__main__':\n    print(Net())\n").ok());
  const std::string needs =
      "class Net(nn.Module):\n    def __init__(self, n):\n        super().__init__()\n"
      "    def forward(self, x):\n        return x\n";
  EXPECT_THAT(ErrorOf(needs), HasSubstr("Net needs n; write n=…, or `model = Net(…)` at the end of the file"));
}

TEST(ConstructorTest, ErrorsSayWhereAndWhatToWrite) {
  const std::map<std::string, std::string> cases = {
      {"self.a = nn.Conv2d(3, 8)", "f.py:4:18: nn.Conv2d needs kernel_size"},
      {"self.a = nn.Conv2d(3, 8, 3, strides=2)", "f.py:4:18: nn.Conv2d has no parameter \"strides\""},
      {"self.a = nn.Conv2d(3, 8, 3, groups=2)", "f.py:4:18: the constructor refuses its arguments: in_channels=3"},
      {"self.a = nn.MultiheadAttention(10, 3)", "f.py:4:18: the constructor refuses its arguments: embed_dim=10"},
      {"self.a = nn.Linear(3, 8, 1, 2, 3, 4)", "takes"},
      {"self.a = nn.LinearX(3, 8)", "nn.LinearX is not among the layers that are known here"},
      {"self.a = undefined", "f.py:4:18: \"undefined\" is not defined"},
      {"self.a = nn.utils.weight_norm(nn.Linear(1, 1))", "remove function"},
      {"self.a = lambda x: x", "f.py:4:18: a constructor has no lambda"},
      {"while True: pass", "f.py:4:9: a constructor has no \"while\""},
      {"import os", "f.py:4:9: a constructor has no \"import\""},
      {"self.a = open('/etc/passwd')", "\"open\" is not defined"},
      {"self.a = torch.load('x')['y'].z.w()", ""},
      {"self.a = 1 / 0", "divides by zero"},
      {"self.a = 9223372036854775807 + 1", "no number of 64 bits"},
      {"self.a = 99999999999999999999999", "self.a"},
      {"assert width % 3 == 0, 'no'", "asserts"},
      {"raise ValueError(f'{width} is odd')", "8 is odd"},
      {"self.a = nn.Embedding(3, 4, max_norm=1.0)", "max_norm changes the weights"},
      {"self.a = nn.Linear(2, 2)(3)", "runs none"},
      {"return self.forward(3)(", "f.py:"}};
  for (const auto& [line, message] : cases) {
    const std::string error = ErrorOf(Net(line));
    if (message == "self.a" || message.empty()) continue;  // harmless
    EXPECT_THAT(error, AllOf(StartsWith("f.py:"), HasSubstr(message))) << line;
  }
}

// Each grows without end, or nests without end, or holds itself.
TEST(ConstructorTest, HostileConstructorsEndWithinLimits) {
  const std::string deep(3000, '(');
  const std::vector<std::string> cases = {
      "for i in range(100000):\n    for j in range(100000):\n        pass",
      "x = [1]\nfor i in range(100):\n    x = x + x",
      "x = [1]\nfor i in range(100):\n    x.append(x)\n    x = [x, x]\nself.it = x == [x]\nself.y = x * 100000",
      "x = 'a'\nfor i in range(100):\n    x = x + x",
      "self.a = [0] * 9223372036854775807",
      "self.a = range(9223372036854775807)",
      "self.a = 2 ** 9223372036854775807",
      "for i in range(100000):\n    self.add_module(f'a{i}', nn.Identity())",
      "self.inner = Net()",
      "self.me = self\nself.all = list(self.modules())",
      "self.a = " + deep + "1" + std::string(3000, ')'),
      "self.a = 1" +
          [] {
            std::string s;
            for (int i = 0; i < 3000; ++i) s += " + 1";
            return s;
          }(),
      "def",
      "x = list(range(100000))\nfor i in x:\n    self.a = i in x"};
  for (const std::string& lines : cases) {
    const auto start = std::chrono::steady_clock::now();
    const std::string error = ErrorOf(Net(lines));
    EXPECT_THAT(error, StartsWith("f.py:")) << lines.substr(0, 80);
    EXPECT_LT(error.size(), 2000u);
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(60)) << lines.substr(0, 80);
  }
  EXPECT_THAT(ErrorOf("class A(B):\n    pass\nclass B(A):\n    def forward(self, x):\n        return x\nmodel = A()\n"),
              HasSubstr("bases"));
}

// Modules that hold each other twice make 2^n places.
TEST(ConstructorTest, SharedModulesCountAtEachPlace) {
  const std::string source = Net("x = nn.Identity()\nfor i in range(60):\n    x = nn.Sequential(x, x)\nself.x = x");
  EXPECT_THAT(base::MessageOf(PlanLayers(source, "f.py", {}).status()), HasSubstr("more than"));
}

}  // namespace
}  // namespace torchferry::plan
