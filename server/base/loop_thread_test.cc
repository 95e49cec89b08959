#include "server/base/loop_thread.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <array>
#include <atomic>
#include <future>
#include <semaphore>

namespace torchferry::base {
namespace {

using Turns = std::counting_semaphore<>;

TEST(LoopThreadTest, TakesATurnForEachWake) {
  Turns turns(0);
  LoopThread thread("test", [&] {
    turns.release();
    return kNoDeadline;
  });
  thread.Start();
  turns.acquire();  // the first one is due at once
  for (int i = 0; i < 3; ++i) {
    thread.Wake();
    turns.acquire();
  }
  thread.Stop();
  EXPECT_FALSE(turns.try_acquire());
}

TEST(LoopThreadTest, TakesTurnsThatAreDueWithoutAWake) {
  Turns turns(0);
  LoopThread thread("test", [&] {
    turns.release();
    return TimePoint::min();
  });
  thread.Start();
  for (int i = 0; i < 3; ++i) turns.acquire();
}

TEST(LoopThreadTest, AWakeDuringATurnBringsAnother) {
  Turns turns(0);
  Turns go_on(0);
  LoopThread thread("test", [&] {
    turns.release();
    go_on.acquire();
    return kNoDeadline;
  });
  thread.Start();
  turns.acquire();
  thread.Wake();
  go_on.release(2);
  turns.acquire();
}

TEST(LoopThreadTest, TheFirstTurnWaitsForItsTime) {
  std::atomic<int> turns = 0;
  LoopThread thread("test", [&] {
    ++turns;
    return kNoDeadline;
  });
  thread.Start(Clock::Real().Now() + std::chrono::hours(1));
  thread.Stop();
  EXPECT_EQ(turns, 0);
}

TEST(LoopThreadTest, StopWaitsForTheTurnUnderWay) {
  Turns turns(0);
  std::promise<void> go_on;
  std::atomic<bool> has_ended = false;
  LoopThread thread("test", [&] {
    turns.release();
    go_on.get_future().wait();
    has_ended = true;
    return kNoDeadline;
  });
  thread.Start();
  turns.acquire();
  std::thread other([&] { go_on.set_value(); });
  thread.Stop();
  EXPECT_TRUE(has_ended);
  other.join();
}

TEST(LoopThreadTest, StopsWithoutHavingStarted) {
  LoopThread thread("test", [] { return kNoDeadline; });
  thread.Wake();
  thread.Stop();
}

TEST(LoopThreadTest, TheThreadHasItsName) {
  std::promise<std::string> name;
  LoopThread thread("loop-test", [&] {
    std::array<char, 16> text{};
    pthread_getname_np(pthread_self(), text.data(), text.size());
    name.set_value(text.data());
    return kNoDeadline;
  });
  thread.Start();
  EXPECT_EQ(name.get_future().get(), "loop-test");
}

}  // namespace
}  // namespace torchferry::base
