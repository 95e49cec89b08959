#include "client/text/text.h"

#include <gtest/gtest.h>

namespace torchferry::client {
namespace {

TEST(TextTest, TableAlignsItsColumns) {
  Table table({"NAME", "STATE"});
  table.AddRow({"a", "READY"});
  table.AddRow({"longer", "FAILED"});
  EXPECT_EQ(table.Render(false),
            "NAME    STATE\n"
            "a       READY\n"
            "longer  FAILED\n");
}

TEST(TextTest, TableCountsCharactersNotBytes) {
  Table table;
  table.AddRow({"µs", "x"});
  table.AddRow({"abc", "y"});
  EXPECT_EQ(table.Render(false), "µs   x\nabc  y\n");
}

TEST(TextTest, TableLinesDoNotEndInSpaces) {
  Table table({"A", "B", "C"});
  table.AddRow({"1", "", ""});
  table.AddRow({"", "", "3"});
  EXPECT_EQ(table.Render(false), "A  B  C\n1\n      3\n");
}

TEST(TextTest, ColoursDoNotMoveColumns) {
  Table table;
  table.AddRow({{"bad", Style::kBad}, "x"});
  EXPECT_EQ(table.Render(true), "\x1b[31mbad\x1b[0m  x\n");
  EXPECT_EQ(table.Render(false), "bad  x\n");
}

TEST(TextTest, WrapsAtSpaces) {
  EXPECT_EQ(Wrap("one two three", 9, 2), "  one two\n  three\n");
  EXPECT_EQ(Wrap("one two three", 80, 0), "one two three\n");
}

TEST(TextTest, WrapCutsNothingOff) {
  EXPECT_EQ(Wrap("a averyveryverylongword b", 8, 2), "  a\n  averyveryverylongword\n  b\n");
}

TEST(TextTest, WrapKeepsLinesAndTheirIndentation) {
  EXPECT_EQ(Wrap("line 1:\n    x = foo(\n        ~~~ here\n\nend", 80, 2),
            "  line 1:\n      x = foo(\n          ~~~ here\n\n  end\n");
  EXPECT_EQ(Wrap("", 80, 2), "\n");
}

TEST(TextTest, DurationsAndSizes) {
  EXPECT_EQ(FormatSeconds(0), "0 µs");
  EXPECT_EQ(FormatSeconds(0.000042), "42 µs");
  EXPECT_EQ(FormatSeconds(0.00234), "2.3 ms");
  EXPECT_EQ(FormatSeconds(1.204), "1.20 s");
  EXPECT_EQ(FormatBytes(12), "12 bytes");
  EXPECT_EQ(FormatBytes(1990656), "1.9 MiB (1990656 bytes)");
}

}  // namespace
}  // namespace torchferry::client
