#include "server/base/keep_forever.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <vector>

namespace torchferry::base {
namespace {

TEST(KeepForeverTest, WhatIsKeptIsNotDestroyed) {
  auto owned = std::make_shared<int>(7);
  const std::weak_ptr<int> watched = owned;
  KeepForever(std::move(owned));
  EXPECT_EQ(watched.use_count(), 1);
  KeepForever(std::make_shared<int>(8));
  EXPECT_EQ(watched.use_count(), 1);
}

TEST(KeepForeverTest, ThreadsMayKeepAtTheSameTime) {
  const auto shared = std::make_shared<int>(0);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 100; ++i) KeepForever(std::shared_ptr<int>(shared));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(shared.use_count(), 401);
}

}  // namespace
}  // namespace torchferry::base
