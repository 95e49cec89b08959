#include "server/plan/forward_calls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/base/status.h"

namespace torchferry::plan {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// def f0: f1, def f1: f2 and so on.
std::string Chain(size_t count, const std::string& before = "", const std::string& call = "self.f",
                  const std::string& after = "") {
  std::string source;
  for (size_t i = 0; i < count; ++i) {
    source += "def f" + std::to_string(i) + "(self, x):\n    return " + before + call + std::to_string(i + 1) + after +
              "(x)\n\n";
  }
  return source;
}

std::string Repeat(const std::string& text, size_t count) {
  std::string result;
  for (size_t i = 0; i < count; ++i) result += text;
  return result;
}

absl::Status Check(const std::string& source) { return CheckCalls(source, "f.py"); }

TEST(HasFunctionTest, FindsFunctionsByName) {
  EXPECT_TRUE(HasFunction("def helper(self):\n    return 1\n\ndef forward(self, x):\n    return x\n", "forward"));
  EXPECT_FALSE(HasFunction("def forwards(self, x):\n    return self.forward(x)\n", "forward"));
  EXPECT_FALSE(HasFunction("", "forward"));
}

TEST(ForwardCallsTest, WhatPeopleWritePasses) {
  std::string wide = "def forward(self, x):\n";
  for (size_t i = 0; i < 2'000; ++i) wide += "    x = self.f" + std::to_string(i) + "(x + 1, [2, 3], self.fc.weight)\n";
  for (size_t i = 0; i < 2'000; ++i) {
    wide += "def f" + std::to_string(i) + "(self, x):\n    return torch.relu(x + (x * 2)) if x.sum() > 0 else x\n";
  }
  EXPECT_TRUE(Check(wide).ok()) << Check(wide);
  EXPECT_TRUE(Check(Chain(100)).ok()) << Check(Chain(100));
  EXPECT_TRUE(Check("def f(self):\n    return " + Repeat("x + ", 999) + "x\n").ok());
  EXPECT_TRUE(Check("").ok());
  EXPECT_TRUE(Check("def").ok());
}

// Names of tensors' methods: TorchScript itself refuses functions that really call themselves.
TEST(ForwardCallsTest, FunctionsThatSeemToCallThemselvesPass) {
  EXPECT_TRUE(Check("def sum(self, x):\n    return x.sum() + x.mean()\ndef mean(self, x):\n    return x.sum()\n").ok());
  EXPECT_TRUE(Check("def f(self, x):\n    return self.f(x)\n").ok());
}

TEST(ForwardCallsTest, DeepCallsNameTheFunction) {
  for (const std::string& source : {Chain(3'000), Chain(60, Repeat("-", 50)), Chain(10, Repeat("-", 900)),
                                    Chain(1'000, "", "getattr(self, 'f", "')"), Chain(1'000, "", "(self).f")}) {
    EXPECT_THAT(base::MessageOf(Check(source)), AllOf(StartsWith("f.py:"), HasSubstr("calls functions")))
        << source.substr(0, 99);
  }
  EXPECT_THAT(base::MessageOf(Check(Chain(3'000))), HasSubstr("f.py:1: \"f0\""));
}

TEST(ForwardCallsTest, DeepBlocksCountForTheCallsInThem) {
  std::string source;
  for (size_t i = 0; i < 50; ++i) {
    source += "def f" + std::to_string(i) + "(self, x):\n";
    for (size_t block = 1; block < 90; ++block) source += std::string(block, ' ') + "if x:\n";
    source += std::string(90, ' ') + "x = self.f" + std::to_string(i + 1) + "(x)\n";
  }
  EXPECT_FALSE(Check(source).ok());
}

TEST(ForwardCallsTest, CirclesCountAsOne) {
  std::string source;
  for (size_t i = 0; i < 1'000; ++i) {
    source += "def f" + std::to_string(i) + "(self, x):\n    return self.f" + std::to_string((i + 1) % 1'000) + "(x)\n";
  }
  EXPECT_FALSE(Check(source).ok());
}

TEST(ForwardCallsTest, ManyCallsTakeOnePass) {
  std::string source;
  for (size_t i = 0; i < 20'000; ++i) {
    source += "def f" + std::to_string(i) + "(self, x):\n    return self.f0(x), self.f19999(x), self.f500(x)\n";
  }
  EXPECT_TRUE(Check(source).ok()) << Check(source);
}

}  // namespace
}  // namespace torchferry::plan
