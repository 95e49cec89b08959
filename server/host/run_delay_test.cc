#include "server/host/run_delay.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace torchferry::host {
namespace {

namespace fs = std::filesystem;

TEST(RunDelayTest, ReadsWhatTheKernelWrites) {
  EXPECT_EQ(ParseRunDelay("1500000000 250000000 17"), 0.25);
  EXPECT_EQ(ParseRunDelay("0 0 0\n"), 0);
  for (const char* text : {"", "12", "a b c", "12 x 3", "-"}) EXPECT_FALSE(ParseRunDelay(text).has_value()) << text;
}

TEST(RunDelayTest, AddsThatOfAllThreads) {
  const fs::path tasks = fs::path(::testing::TempDir()) / "tasks";
  fs::create_directories(tasks / "7");
  fs::create_directories(tasks / "8");
  fs::create_directories(tasks / "ended");
  std::ofstream(tasks / "7" / "schedstat") << "1 1000000000 1\n";
  std::ofstream(tasks / "8" / "schedstat") << "1 500000000 1\n";
  EXPECT_EQ(ReadRunDelay(tasks.string()), 1.5);
  fs::remove_all(tasks);
  EXPECT_FALSE(ReadRunDelay(tasks.string()).has_value()) << "a kernel that does not count";
}

TEST(RunDelayTest, OfThisProcessItNeverShrinksWhileItsThreadsStay) {
  const std::optional<double> before = ReadRunDelay();
  if (!before.has_value()) GTEST_SKIP() << "this kernel does not count it";
  EXPECT_GE(*ReadRunDelay(), *before);
}

}  // namespace
}  // namespace torchferry::host
