#include "server/base/subscribers.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace torchferry::base {
namespace {

TEST(SubscribersTest, EachListenerHearsWhatIsToldWhileItIsSubscribed) {
  Subscribers<std::string> subscribers;
  std::vector<std::string> heard;
  subscribers.Tell("before");
  const int first = subscribers.Subscribe([&](const std::string& what) { heard.push_back("first " + what); });
  const int second = subscribers.Subscribe([&](const std::string& what) { heard.push_back("second " + what); });
  subscribers.Tell("a");
  subscribers.Unsubscribe(first);
  subscribers.Tell("b");
  subscribers.Unsubscribe(second);
  subscribers.Tell("after");
  EXPECT_EQ(heard, (std::vector<std::string>{"first a", "second a", "second b"}));
}

TEST(SubscribersTest, NumbersAreNotUsedAgainAndUnknownOnesDoNothing) {
  Subscribers<> subscribers;
  int calls = 0;
  const int first = subscribers.Subscribe([&] { ++calls; });
  subscribers.Unsubscribe(first);
  const int second = subscribers.Subscribe([&] { ++calls; });
  EXPECT_NE(first, 0);
  EXPECT_NE(second, first);
  subscribers.Unsubscribe(first);
  subscribers.Unsubscribe(0);
  subscribers.Tell();
  EXPECT_EQ(calls, 1);
}

// Under a lock each of these would wait for itself.
TEST(SubscribersTest, AListenerMaySubscribeUnsubscribeOthersAndTell) {
  Subscribers<int> subscribers;
  std::vector<std::string> heard;
  int other = 0;
  subscribers.Subscribe([&](int depth) {
    heard.push_back("first " + std::to_string(depth));
    if (depth > 0) return;
    subscribers.Unsubscribe(other);
    subscribers.Subscribe([&](int deeper) { heard.push_back("new " + std::to_string(deeper)); });
    subscribers.Tell(depth + 1);
  });
  other = subscribers.Subscribe([&](int) { heard.push_back("other"); });
  subscribers.Tell(0);
  EXPECT_EQ(heard, (std::vector<std::string>{"first 0", "first 1", "new 1"}));
}

TEST(SubscribersTest, UnsubscribeWaitsForTheCallUnderWayAndDestroysTheListener) {
  Subscribers<> subscribers;
  std::latch began(1);
  std::latch go_on(1);
  std::atomic<int> calls = 0;
  std::atomic<bool> has_ended = false;
  std::atomic<bool> has_left = false;
  auto owned = std::make_shared<int>(0);
  const std::weak_ptr<int> watched = owned;
  const int subscription = subscribers.Subscribe([&, owned = std::move(owned)] {
    if (calls++ > 0) return;
    began.count_down();
    go_on.wait();
    has_ended = true;
  });
  std::thread teller([&] { subscribers.Tell(); });
  began.wait();
  std::thread leaver([&] {
    subscribers.Unsubscribe(subscription);
    has_left = true;
    EXPECT_TRUE(has_ended);
    EXPECT_TRUE(watched.expired());
  });
  // Until the listener is not called any more: from then on Unsubscribe waits for the first call alone.
  for (int before = 0; calls != before;) {
    before = calls;
    subscribers.Tell();
  }
  EXPECT_FALSE(has_left);
  go_on.count_down();
  leaver.join();
  teller.join();
}

TEST(SubscribersTest, AListenerIsCalledByTwoThreadsAtOnce) {
  Subscribers<> subscribers;
  std::latch both(2);
  subscribers.Subscribe([&] { both.arrive_and_wait(); });
  std::thread other([&] { subscribers.Tell(); });
  subscribers.Tell();
  other.join();
}

TEST(SubscribersTest, ManyThreadsMayComeTellAndGo) {
  Subscribers<> subscribers;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        auto alive = std::make_unique<std::atomic<int>>(0);
        const int subscription = subscribers.Subscribe([heard = alive.get()] { ++*heard; });
        subscribers.Tell();
        subscribers.Unsubscribe(subscription);
        EXPECT_GE(*alive, 1);
        alive.reset();  // a call that came later would write here
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace torchferry::base
