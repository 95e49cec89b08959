#include "server/plan/name_index.h"

#include <gtest/gtest.h>

namespace torchferry::plan {
namespace {

TEST(NameIndexTest, IsTheNumberBehindTheLastMark) {
  EXPECT_EQ(TrailingIndex("INPUT__0"), 0U);
  EXPECT_EQ(TrailingIndex("a__b__12"), 12U);
  EXPECT_EQ(TrailingIndex("__9999"), 9999U);
}

TEST(NameIndexTest, OtherNamesHaveNone) {
  for (const char* name : {"", "x", "INPUT_0", "INPUT__", "INPUT__0x", "INPUT__-1", "INPUT__ 1", "INPUT__12345"}) {
    EXPECT_EQ(TrailingIndex(name), std::nullopt) << name;
  }
}

}  // namespace
}  // namespace torchferry::plan
