#include "server/plan/compile_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace torchferry::plan {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr size_t kManyBytes = 10'000'000;

std::string Repeat(std::string_view text, size_t bytes) {
  std::string result;
  while (result.size() < bytes) result += text;
  return result;
}

TEST(CompileReportTest, HasMessageLineAndColumn) {
  const CompileReport report = ReadCompileReport(
      "\nundefined value y:\n  File \"m/forward.py\", line 12\ndef forward(self, x):\n    return y\n"
      "           ~ <--- HERE\nException raised from f at g.cpp:1\n  File \"other\", line 3\n");
  EXPECT_EQ(report.message, "undefined value y");
  EXPECT_EQ(report.line, 12u);
  EXPECT_EQ(report.column, 12u);
}

TEST(CompileReportTest, SomeReportsHaveNoPlaceOrNoMark) {
  EXPECT_EQ(ReadCompileReport("it failed:\n").message, "it failed");
  EXPECT_EQ(ReadCompileReport("it failed").line, 0u);
  EXPECT_EQ(ReadCompileReport("File \"a\nb\", line 3; File \"f\", line x; File \"f\", line 5").line, 5u);
  EXPECT_EQ(ReadCompileReport("no: File \"f\", line 5\n <--- HERE").column, 0u);
  EXPECT_EQ(ReadCompileReport("no: File \"f\", line 99999999999999999999999").line, 0u);
  EXPECT_EQ(ReadCompileReport("").message, "");
}

TEST(CompileReportTest, ClassesOfKeysAreNamedByTheirPath) {
  EXPECT_EQ(ReadCompileReport("'__torch__.torchferry.self.fc (of Python compilation unit at: 0x55d0)' object has no "
                              "attribute 'x'; __torch__.torchferry.self.a '")
                .message,
            "'self.fc' object has no attribute 'x'; self.a '");
}

TEST(CompileReportTest, LongReportsTakeOnePassAndGiveShortMessages) {
  for (const std::string_view piece : {"File \"", "a", "__torch__.torchferry.", "~", "<--- HERE", "\n", " ", "\"",
                                       "File \"a\n", " (of Python compilation unit at: 0", "\xc3\xa9"}) {
    const CompileReport report = ReadCompileReport("x" + Repeat(piece, kManyBytes));
    EXPECT_LT(report.message.size(), 1100u) << piece;
    EXPECT_EQ(report.line, 0u) << piece;
  }
  const CompileReport cut = ReadCompileReport(Repeat("\xc3\xa9", 2'001));
  EXPECT_THAT(cut.message, HasSubstr("\xc3\xa9… (2002 bytes)"));
  const CompileReport report =
      ReadCompileReport("m:\n File \"f\", line 7\n" + Repeat("a", kManyBytes) + "\n ~ <--- HERE\n");
  EXPECT_EQ(report.message, "m");
  EXPECT_EQ(report.line, 7u);
  EXPECT_EQ(report.column, 2u);
}

}  // namespace
}  // namespace torchferry::plan
