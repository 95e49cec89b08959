#include "server/plan/nesting.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/base/status.h"

namespace torchferry::plan {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string Repeat(const std::string& text, size_t count) {
  std::string result;
  for (size_t i = 0; i < count; ++i) result += text;
  return result;
}

TEST(NestingTest, WhatPeopleAndPyTorchWritePasses) {
  for (const std::string& source : {
           std::string("def forward(self, x: Tensor) -> Tensor:\n    return (x + 1.5) * (2 - x)\n"),
           "    y = [" + Repeat("torch.add(x, 1, alpha=1), ", 100'000) + "x]\n",
           Repeat("    x = x + 1\n", 100'000),
           Repeat("def f(self, x: Tensor) -> Tensor:\n    if x:\n        return x\n\n", 10'000),
           "    s = \"" + Repeat("(", 10'000) + "\"  # " + Repeat("[", 10'000) + "\n",
           "\"\"\"" + Repeat("(((\n", 10'000) + "\"\"\"\n",
           Repeat("    if a:\n        b\n    elif c:\n        d\n", 10'000),
       }) {
    EXPECT_TRUE(CheckNesting(source, "f.py").ok()) << source.substr(0, 60) << CheckNesting(source, "f.py");
  }
}

TEST(NestingTest, WhatWouldExhaustTheCompilerNamesTheLine) {
  std::string blocks;
  for (size_t i = 1; i < 200; ++i) blocks += std::string(i, ' ') + "if a:\n";
  for (const std::string& source : {
           "x = 1\nx = " + Repeat("(", 5'000),
           "x = 1\nx = 1" + Repeat("+1", 5'000),
           "x = 1\nx = " + Repeat("-", 5'000) + "x",
           "x = 1\nx = " + Repeat("not ", 5'000) + "x",
           "x = 1\nx = x" + Repeat(".t()", 5'000),
           "x = 1\nx = x" + Repeat("[0]", 5'000),
           "x = 1\nx = 1" + Repeat(" if a else 1", 5'000),
           "x = 1\nx = 1" + Repeat("\\\n+1", 5'000),
           "x = 1\ndef f(x: " + Repeat("List[", 5'000),
       }) {
    EXPECT_THAT(base::MessageOf(CheckNesting(source, "f.py")),
                AllOf(HasSubstr("f.py:"), HasSubstr("nest more than 1000 deep")))
        << source.substr(0, 40);
  }
  EXPECT_THAT(base::MessageOf(CheckNesting("x = 1\nx = " + Repeat("(", 5'000), "f.py")), HasSubstr("f.py:2: "));
  EXPECT_THAT(base::MessageOf(CheckNesting(blocks, "f.py")), HasSubstr("blocks nest"));
  EXPECT_THAT(base::MessageOf(CheckNesting("if a:\n  b\n" + Repeat("elif c:\n  d\n", 1000), "f.py")),
              HasSubstr("elifs"));
}

}  // namespace
}  // namespace torchferry::plan
