#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <string>
#include <thread>

#include "server/base/file_limit.h"
#include "server/base/json.h"
#include "server/base/logging.h"
#include "server/base/status.h"
#include "server/base/thread_name.h"

namespace torchferry::base {
namespace {

TEST(StatusTest, AnnotateKeepsCodeAndOk) {
  EXPECT_TRUE(Annotate(absl::OkStatus(), "x").ok());
  const absl::Status s = Annotate(absl::DataLossError("cut"), "f.pt");
  EXPECT_EQ(s.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(MessageOf(s), "f.pt: cut");
}

TEST(FileLimitTest, IsRaisedAsFarAsItMay) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit low = {std::min<rlim_t>(256, before.rlim_max), before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  EXPECT_EQ(RaiseFileLimit(), before.rlim_max);
  rlimit after{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &after), 0);
  EXPECT_EQ(after.rlim_cur, before.rlim_max);
}

// The calling thread's, as top shows it.
std::string ThreadName() {
  std::array<char, 16> name{};
  pthread_getname_np(pthread_self(), name.data(), name.size());
  return name.data();
}

TEST(ThreadNameTest, IsOfTheThreadAlone) {
  const std::string before = ThreadName();
  std::jthread([] {
    NameThisThread("worker");
    EXPECT_EQ(ThreadName(), "worker");
  }).join();
  EXPECT_EQ(ThreadName(), before);
}

TEST(ThreadNameTest, PassesToThreadsThatItStarts) {
  std::jthread([] {
    NameThisThread("http");
    std::jthread([] { EXPECT_EQ(ThreadName(), "http"); }).join();
  }).join();
}

TEST(ThreadNameTest, KeepsWhatTheKernelHasRoomFor) {
  std::jthread([] {
    NameThisThread("fifteen-bytes-x");
    EXPECT_EQ(ThreadName(), "fifteen-bytes-x");
    NameThisThread("sixteen-bytes-xy");
    EXPECT_EQ(ThreadName(), "sixteen-bytes-x");
  }).join();
}

TEST(JsonTest, QuotesControlCharactersAndBrokenUtf8) {
  EXPECT_EQ(JsonQuote("a\"b\\\n\x01"), R"("a\"b\\\n\u0001")");
  EXPECT_EQ(JsonQuote("\xC3\xA9"), "\"\xC3\xA9\"");
  EXPECT_EQ(JsonQuote("\xC3"), "\"\\ufffd\"");
  EXPECT_EQ(JsonQuote("\xED\xA0\x80"), "\"\\ufffd\\ufffd\\ufffd\"");
}

TEST(LoggingTest, OneCallIsOneLine) {
  const std::vector<LogField> fields = {{"model", "a b"}, {"version", 3}, {"why", "x\ny"}};
  EXPECT_EQ(FormatLogLine(LogFormat::kText, "model ready", fields), R"(model ready model="a b" version=3 why="x\ny")");
  const std::vector<LogField> quoted = {{"n", 3}, {"s", "x\"y"}};
  EXPECT_EQ(FormatLogLine(LogFormat::kJson, "hi", quoted), R"("message":"hi","n":3,"s":"x\"y")");
}

TEST(LoggingTest, ACaptureHoldsTheLinesOfItsLevelAndAbove) {
  EXPECT_FALSE(IsLogged(LogLevel::kDebug));
  {
    const LogCapture capture(LogLevel::kDebug);
    EXPECT_TRUE(IsLogged(LogLevel::kDebug));
    LogDebug("request", {{"model", "m"}});
    LogError("bad");
    const std::vector<LogCapture::Line> lines = capture.Lines();
    ASSERT_EQ(lines.size(), 2U);
    EXPECT_EQ(lines[0].level, LogLevel::kDebug);
    EXPECT_EQ(lines[0].text, "request model=m");
    EXPECT_EQ(lines[1].level, LogLevel::kError);
    EXPECT_EQ(lines[1].text, "bad");
  }
  EXPECT_FALSE(IsLogged(LogLevel::kDebug));
  const LogCapture capture(LogLevel::kWarning);
  LogInfo("not this");
  EXPECT_TRUE(capture.Lines().empty());
}

}  // namespace
}  // namespace torchferry::base
