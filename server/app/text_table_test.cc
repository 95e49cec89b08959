#include "server/app/text_table.h"

#include <gtest/gtest.h>

namespace torchferry::app {
namespace {

TEST(TextTableTest, ColumnsAreAsWideAsTheirWidestCell) {
  EXPECT_EQ(TextTable({{"MODEL", "WHAT"}, {"a", "fine"}, {"longer", ""}}),
            "MODEL   WHAT\n"
            "a       fine\n"
            "longer  \n");
}

TEST(TextTableTest, CharactersCountAndNotBytes) {
  EXPECT_EQ(TextTable({{"\xc3\xa9\xc3\xa9", "x"}, {"abc", "y"}}), "\xc3\xa9\xc3\xa9   x\nabc  y\n");
}

TEST(TextTableTest, ControlCharactersAreWrittenOut) {
  EXPECT_EQ(TextTable({{"a\x1b[2J", "b\nc"}}), "a\\x1b[2J  b\\nc\n");
}

}  // namespace
}  // namespace torchferry::app
