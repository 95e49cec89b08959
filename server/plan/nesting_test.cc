#include "server/plan/nesting.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/base/status.h"

namespace torchferry::plan {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

absl::Status Check(const std::string& source) {
  CodeSize size;
  return CheckNesting(source, "f.py", size);
}

std::string Repeat(const std::string& text, size_t count) {
  std::string result;
  for (size_t i = 0; i < count; ++i) result += text;
  return result;
}

TEST(NestingTest, WhatPeopleAndPyTorchWritePasses) {
  for (const std::string& source : {
           std::string("def forward(self, x: Tensor) -> Tensor:\n    return (x + 1.5) * (2 - x)\n"),
           "    y = [" + Repeat("torch.add(x, 1, alpha=1), ", 10'000) + "x]\n",
           Repeat("    x = x + 1\n", 100'000),
           Repeat("def f(self, x: Tensor) -> Tensor:\n    if x:\n        return x\n\n", 10'000),
           "    s = \"" + Repeat("(", 10'000) + "\"  # " + Repeat("[", 10'000) + "\n",
           "\"\"\"" + Repeat("(((\n", 10'000) + "\"\"\"\n",
           Repeat("    if a:\n        b\n    elif c:\n        d\n", 10'000),
       }) {
    EXPECT_TRUE(Check(source).ok()) << source.substr(0, 60) << Check(source);
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
           "x = 1\ndef f(x):\n  # type: (" + Repeat("List[", 5'000),
           "x = 1\nx = 3." + Repeat("\\\n+1", 5'000),
       }) {
    EXPECT_THAT(base::MessageOf(Check(source)), AllOf(HasSubstr("f.py:"), HasSubstr("nest more than 1000 deep")))
        << source.substr(0, 40);
  }
  EXPECT_THAT(base::MessageOf(Check("x = 1\nx = " + Repeat("(", 5'000))), HasSubstr("f.py:2: "));
  EXPECT_THAT(base::MessageOf(Check(blocks)), HasSubstr("blocks nest"));
  EXPECT_THAT(base::MessageOf(Check("if a:\n  b\n" + Repeat("elif c:\n  d\n", 1000))), HasSubstr("elifs"));
}

TEST(NestingTest, StretchesWithoutCodeAreBounded) {
  for (const char* const blank : {"\n", "# comment\n", "\\\n"}) {
    EXPECT_TRUE(Check("x = 1 " + Repeat(blank, 2'000) + "\ny").ok()) << blank;
    EXPECT_THAT(base::MessageOf(Check("x = 1 " + Repeat(blank, 6'000) + "\ny")), HasSubstr("5000 comments")) << blank;
    EXPECT_THAT(base::MessageOf(Check("x = (1 " + Repeat(blank, 6'000))), HasSubstr("5000 comments")) << blank;
  }
}

TEST(NestingTest, ListsClassesAndCodeAreBounded) {
  EXPECT_THAT(base::MessageOf(Check("x = 1\nx = [" + Repeat("1,", 20'001))),
              AllOf(HasSubstr("f.py:2: "), HasSubstr("20000 items")));
  const std::string members = "class A(Module):\n" + Repeat("  a : Tensor\n", 8'000);
  EXPECT_TRUE(Check(members + "class B(Module):\n" + Repeat("  b : Tensor\n", 8'000)).ok());
  EXPECT_THAT(base::MessageOf(Check(members + Repeat("  def f(self):\n    return 1\n", 200))),
              HasSubstr("8192 members"));
  EXPECT_THAT(base::MessageOf(Check(Repeat("x = 1\n", 260'000))), HasSubstr("1000000 words"));
  CodeSize size;
  EXPECT_TRUE(CheckNesting(Repeat("x = 1\n", 130'000), "a.py", size).ok());
  EXPECT_FALSE(CheckNesting(Repeat("x = 1\n", 130'000), "b.py", size).ok());
}

TEST(NestingTest, WhatTheParserDoesNotReachCountsForNothing) {
  EXPECT_TRUE(Check("x = 1)\n" + Repeat("(", 5'000)).ok());
  EXPECT_TRUE(Check("x = $\n" + Repeat("(", 5'000)).ok());
}

TEST(NestingTest, LongSourcesTakeOnePass) {
  for (const std::string& source :
       {"\"" + Repeat("a", 10'000'000) + "\"", "'" + Repeat("a", 10'000'000), Repeat("a", 10'000'000),
        Repeat("9", 10'000'000), "'''" + Repeat("\n", 10'000'000) + "'''"}) {
    EXPECT_TRUE(Check(source).ok());
  }
}

}  // namespace
}  // namespace torchferry::plan
