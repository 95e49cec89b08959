#include "server/base/library_log.h"

#include <gtest/gtest.h>

#include <iostream>
#include <string>

#include "server/base/cut_text.h"
#include "server/base/rate_limit.h"

namespace torchferry::base {
namespace {

TEST(CutTextTest, KeepsWhatFitsAndSaysWhatDoesNot) {
  EXPECT_EQ(CutText("abc", 3), "abc");
  EXPECT_EQ(CutText("abcde", 3), "abc… (2 bytes more)");
  EXPECT_EQ(CutText("a\xC3\xA9z", 2), "a… (3 bytes more)");
  EXPECT_EQ(CutText(std::string(9, '\x80'), 8), "\x80\x80\x80\x80\x80… (4 bytes more)");
}

TEST(RateLimitTest, ABurstThenSoManyASecond) {
  RateLimit limit(/*burst=*/2, /*per_second=*/1);
  const TimePoint start = TimePoint() + std::chrono::hours(1);
  EXPECT_EQ(limit.Admit(start), 0U);
  EXPECT_EQ(limit.Admit(start), 0U);
  EXPECT_EQ(limit.Admit(start), std::nullopt);
  EXPECT_EQ(limit.Admit(start + std::chrono::milliseconds(500)), std::nullopt);
  EXPECT_EQ(limit.Admit(start + std::chrono::milliseconds(1001)), 2U);
  EXPECT_EQ(limit.Admit(start + std::chrono::hours(1)), 0U);
  EXPECT_EQ(limit.Admit(start + std::chrono::hours(1)), 0U);
  EXPECT_EQ(limit.Admit(start + std::chrono::hours(1)), std::nullopt);
}

TEST(GlogLineTest, LevelIsTheLetter) {
  const GlogLine warning = ParseGlogLine("[W1128 14:22:52.123456 Copy.cpp:99] Warning: slow (function f)");
  EXPECT_EQ(warning.level, LogLevel::kWarning);
  EXPECT_EQ(warning.where, "Copy.cpp:99");
  EXPECT_EQ(warning.text, "Warning: slow (function f)");
  EXPECT_EQ(ParseGlogLine("[I1128 14:22:52.1 a.cc:1] x").level, LogLevel::kInfo);
  EXPECT_EQ(ParseGlogLine("[E1128 14:22:52.1 a.cc:1] x").level, LogLevel::kError);
  EXPECT_TRUE(ParseGlogLine("[F1128 14:22:52.1 a.cc:1] x").is_fatal);
}

TEST(GlogLineTest, OtherTextIsAWarningAsItStands) {
  for (const std::string text : {"", "[", "[W", "[W1", "[Warning] x", "[W1128 no end", "plain"}) {
    const GlogLine line = ParseGlogLine(text);
    EXPECT_EQ(line.level, LogLevel::kWarning) << text;
    EXPECT_EQ(line.text, text);
    EXPECT_TRUE(line.where.empty());
  }
}

TEST(LibraryLogTest, AMessageIsOneLineOfBoundedSize) {
  const LogCapture capture(LogLevel::kWarning);
  LogFromLibrary(LogSource::kGrpc, LogLevel::kError, "bad\nframe\n", {{"where", "a.cc:1"}});
  LogFromLibrary(LogSource::kModel, LogLevel::kWarning, std::string(1 << 20, 'x'), {{"model", "m"}});
  const auto lines = capture.Lines();
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0].text, R"(message of a library library=grpc where=a.cc:1 text="bad\nframe")");
  EXPECT_EQ(lines[0].level, LogLevel::kError);
  EXPECT_TRUE(lines[1].text.starts_with("message of a model model=m text=\"xxx")) << lines[1].text.substr(0, 60);
  EXPECT_LT(lines[1].text.size(), kMaxLibraryTextBytes + 100);
}

TEST(LibraryLogTest, AFloodIsLeftOutAndCounted) {
  const LogCapture capture(LogLevel::kWarning);
  const uint64_t before = LibraryMessagesLeftOut();
  for (int i = 0; i < 10'000; ++i) LogFromLibrary(LogSource::kProtobuf, LogLevel::kWarning, "again");
  // Five more for each second that the loop took.
  EXPECT_LT(capture.Lines().size(), 1000U);
  EXPECT_EQ(capture.Lines().size() + (LibraryMessagesLeftOut() - before), 10'000U);
}

TEST(LibraryLogTest, WhatIsWrittenToCerrIsALine) {
  std::streambuf* const before = std::cerr.rdbuf();
  TakeStandardError();
  {
    const LogCapture capture(LogLevel::kWarning);
    std::cerr << "[W1128 14:22:52.123456 Copy.cpp:99] Warning: " << 3 << '\n' << std::string(100'000, 'y') << '\n';
    std::cerr.flush();
    const auto lines = capture.Lines();
    ASSERT_GE(lines.size(), 2U);
    EXPECT_EQ(lines[0].text, "message of a library library=libtorch where=Copy.cpp:99 text=\"Warning: 3\"");
    for (const auto& line : lines) EXPECT_LT(line.text.size(), 2 * kMaxLibraryTextBytes);
    EXPECT_LE(lines.size(), 52U);
  }
  std::cerr.rdbuf(before);
}

}  // namespace
}  // namespace torchferry::base
