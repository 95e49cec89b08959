#include "server/base/log_queue.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <future>
#include <string>
#include <vector>

#include "server/base/mutex.h"

namespace torchferry::base {
namespace {

using std::chrono::minutes;

// A reader that reads nothing until it is told to.
class Reader {
 public:
  LogQueue::Write Write() {
    return [this](std::string_view text) {
      has_begun_.set_value();
      has_begun_ = {};
      reads_.wait();
      MutexLock lock(mutex_);
      lines_.emplace_back(text);
      return true;
    };
  }
  std::future<void> Begins() { return has_begun_.get_future(); }
  void Read() { promise_.set_value(); }
  std::vector<std::string> Lines() {
    MutexLock lock(mutex_);
    return lines_;
  }

 private:
  std::promise<void> has_begun_;
  std::promise<void> promise_;
  std::shared_future<void> reads_ = promise_.get_future().share();
  Mutex mutex_;
  std::vector<std::string> lines_ FERRY_GUARDED_BY(mutex_);
};

std::string Drops(uint64_t count) { return fmt::format("{} dropped\n", count); }

TEST(LogQueueTest, WritesLinesInTheirOrder) {
  Reader reader;
  reader.Read();
  LogQueue queue({}, reader.Write(), &Drops);
  for (int i = 0; i < 100; ++i) queue.Push(fmt::format("{}\n", i));
  ASSERT_TRUE(queue.Flush(minutes(1)));
  const std::vector<std::string> lines = reader.Lines();
  ASSERT_EQ(lines.size(), 100U);
  EXPECT_EQ(lines.front(), "0\n");
  EXPECT_EQ(lines.back(), "99\n");
  EXPECT_EQ(queue.dropped(), 0U);
}

TEST(LogQueueTest, AReaderThatStopsCostsTheOldestLinesAndHearsOfThem) {
  Reader reader;
  LogQueue queue({.lines = 3, .bytes = 1000}, reader.Write(), &Drops);
  std::future<void> begins = reader.Begins();
  queue.Push("held\n");
  begins.wait();
  for (int i = 0; i < 10; ++i) queue.Push(fmt::format("{}\n", i));
  EXPECT_EQ(queue.dropped(), 7U);
  EXPECT_FALSE(queue.Flush(Duration::zero()));
  reader.Read();
  ASSERT_TRUE(queue.Flush(minutes(1)));
  EXPECT_EQ(reader.Lines(), (std::vector<std::string>{"held\n", "7 dropped\n", "7\n", "8\n", "9\n"}));
}

TEST(LogQueueTest, BytesAreBoundedToo) {
  Reader reader;
  LogQueue queue({.lines = 100, .bytes = 10}, reader.Write(), &Drops);
  std::future<void> begins = reader.Begins();
  queue.Push("held\n");
  begins.wait();
  queue.Push("12345\n");
  queue.Push("longer than all there is room for\n");
  EXPECT_EQ(queue.dropped(), 1U);
  reader.Read();
  ASSERT_TRUE(queue.Flush(minutes(1)));
  EXPECT_EQ(reader.Lines().back(), "longer than all there is room for\n");
}

TEST(LogQueueTest, LinesThatCannotBeWrittenCount) {
  LogQueue queue(
      {}, [](std::string_view) { return false; }, &Drops);
  queue.Push("lost\n");
  ASSERT_TRUE(queue.Flush(minutes(1)));
  EXPECT_EQ(queue.dropped(), 1U);
}

TEST(LogQueueTest, EndsWhileItsReaderBlocks) {
  auto reader = std::make_shared<Reader>();
  {
    LogQueue queue(
        {}, [reader, write = reader->Write()](std::string_view text) { return write(text); }, &Drops);
    std::future<void> begins = reader->Begins();
    queue.Push("held\n");
    begins.wait();
  }
  reader->Read();
}

}  // namespace
}  // namespace torchferry::base
