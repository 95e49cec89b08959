#include "server/base/json_depth.h"

#include <gtest/gtest.h>

#include <string>

namespace torchferry::base {
namespace {

TEST(JsonDepthTest, CountsListsAndObjectsTogether) {
  EXPECT_TRUE(IsJsonWithinDepth("", 0));
  EXPECT_TRUE(IsJsonWithinDepth("3", 0));
  EXPECT_FALSE(IsJsonWithinDepth("[]", 0));
  EXPECT_TRUE(IsJsonWithinDepth(R"({"a": [1, {}], "b": [[]]})", 3));
  EXPECT_FALSE(IsJsonWithinDepth(R"({"a": [1, {}], "b": [[]]})", 2));
}

TEST(JsonDepthTest, BracketsInStringsCountForNothing) {
  EXPECT_TRUE(IsJsonWithinDepth(R"(["[[[[", "\"[[[[", "\\"])", 1));
  EXPECT_FALSE(IsJsonWithinDepth(R"(["\\", [[]]])", 2));
}

TEST(JsonDepthTest, TextsThatAreNoJsonAreReadToTheirEnd) {
  EXPECT_TRUE(IsJsonWithinDepth("]]]][", 1));
  EXPECT_TRUE(IsJsonWithinDepth("\"[[[", 0));
  EXPECT_TRUE(IsJsonWithinDepth("\"\\", 0));
  EXPECT_FALSE(IsJsonWithinDepth(std::string(100'000'000, '['), 1'000));
}

}  // namespace
}  // namespace torchferry::base
