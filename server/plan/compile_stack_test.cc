#include "server/plan/compile_stack.h"

#include <gtest/gtest.h>

#include <vector>

namespace torchferry::plan {
namespace {

std::string Functions(int count, const std::string& body) {
  std::string source;
  for (int i = 0; i < count; ++i) source += "def f" + std::to_string(i) + "(self, x: Tensor):\n  " + body + "\n";
  return source;
}

uint64_t StackOf(const std::string& source) { return CompileStackBytes(std::vector<std::string>{source}); }

TEST(CompileStackTest, GrowsWithFunctionsAndWithWhatNestsInThem) {
  constexpr uint64_t kMiB = uint64_t{1} << 20;
  EXPECT_LT(StackOf(Functions(10, "return x")), 20 * kMiB);
  EXPECT_GT(StackOf(Functions(3000, "return x")), 64 * kMiB);
  EXPECT_GT(StackOf(Functions(10, "return " + std::string(900, '(') + "x" + std::string(900, ')'))), 32 * kMiB);
  // What stands in a row in one function does not nest.
  EXPECT_LT(StackOf(Functions(1, std::string(1'000'000, '+'))), 20 * kMiB);
}

TEST(CompileStackTest, CountsHeadersHoweverTheyAreIndented) {
  const uint64_t none = StackOf("x = 1\n");
  EXPECT_GT(StackOf("\tdef f(x):\n"), none);
  EXPECT_GT(StackOf("  class\tC(Module):\n"), none);
  EXPECT_GT(StackOf("\f def f(x):\r\n"), none);
}

}  // namespace
}  // namespace torchferry::plan
