#include "server/rpc/transport/memory_budget.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <thread>
#include <vector>

#include "server/base/status.h"

namespace torchferry::rpc {
namespace {

using testing::HasSubstr;

constexpr int64_t kMiB = 1 << 20;

class MemoryBudgetTest : public testing::Test {
 protected:
  absl::Status Resize(MemoryShare& share, int64_t bytes, const std::string& peer = "a") {
    return budget_.Resize(share, bytes, [&] { return peer; });
  }

  MemoryBudget budget_{{.bytes = 80 * kMiB, .connection_bytes = 20 * kMiB}};
};

TEST_F(MemoryBudgetTest, AShareIsGivenBackWhenItIsDestroyed) {
  {
    MemoryShare share;
    EXPECT_TRUE(Resize(share, 5 * kMiB).ok());
    EXPECT_TRUE(Resize(share, 7 * kMiB).ok());
    EXPECT_EQ(budget_.used(), 7 * kMiB);
    EXPECT_TRUE(Resize(share, 1 * kMiB).ok());
    EXPECT_EQ(budget_.used(), 1 * kMiB);
    EXPECT_TRUE(Resize(share, 100).ok());
    EXPECT_TRUE(Resize(share, 20 * kMiB).ok());
  }
  EXPECT_EQ(budget_.used(), 0);
  MemoryShare all;
  EXPECT_TRUE(Resize(all, 20 * kMiB).ok());
}

TEST_F(MemoryBudgetTest, AConnectionHasALimitOfItsOwn) {
  MemoryShare first;
  MemoryShare second;
  MemoryShare other;
  EXPECT_TRUE(Resize(first, 15 * kMiB).ok());
  const absl::Status status = Resize(second, 6 * kMiB);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(base::MessageOf(status), HasSubstr("6291456 bytes"));
  EXPECT_THAT(base::MessageOf(status), HasSubstr("hold 15728640 of 20971520"));
  EXPECT_EQ(second.bytes(), 0);
  EXPECT_EQ(budget_.used(), 15 * kMiB);
  EXPECT_TRUE(Resize(other, 20 * kMiB, "b").ok());
  EXPECT_TRUE(Resize(first, 14 * kMiB).ok());
  EXPECT_TRUE(Resize(second, 6 * kMiB).ok());
  EXPECT_EQ(budget_.refusals().connection, 1);
  EXPECT_EQ(budget_.refusals().server, 0);
}

TEST_F(MemoryBudgetTest, WhatCanNeverFitSaysSo) {
  MemoryShare share;
  EXPECT_THAT(base::MessageOf(Resize(share, 21 * kMiB)), HasSubstr("raise the server's --memory-budget-mib"));
}

TEST_F(MemoryBudgetTest, LargeSharesLeaveRoomToSmallOnes) {
  std::deque<MemoryShare> large;
  for (int i = 0; i < 14; ++i) EXPECT_TRUE(Resize(large.emplace_back(), 5 * kMiB, std::to_string(i)).ok());
  MemoryShare one_more;
  const absl::Status status = Resize(one_more, 5 * kMiB, "z");
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(base::MessageOf(status), HasSubstr("--memory-budget-mib"));
  EXPECT_EQ(budget_.refusals().server, 1);
  std::deque<MemoryShare> small;
  for (int i = 0; i < 160; ++i) EXPECT_TRUE(Resize(small.emplace_back(), MemoryBudget::kSmallBytes).ok()) << i;
  MemoryShare last;
  EXPECT_FALSE(Resize(last, 1).ok());
  EXPECT_EQ(budget_.used(), 80 * kMiB);
  // Being refused left nothing at the connection.
  large.clear();
  EXPECT_TRUE(Resize(one_more, 20 * kMiB, "z").ok());
}

TEST_F(MemoryBudgetTest, ASmallShareThatGrowsCountsWhole) {
  MemoryShare share;
  EXPECT_TRUE(Resize(share, MemoryBudget::kSmallBytes).ok());
  EXPECT_TRUE(Resize(share, 20 * kMiB).ok());
  MemoryShare other;
  EXPECT_FALSE(Resize(other, MemoryBudget::kSmallBytes + 1).ok());
  EXPECT_TRUE(Resize(other, MemoryBudget::kSmallBytes).ok());  // a small one is not the connection's
}

TEST_F(MemoryBudgetTest, RemembersTheMostThatWasInUse) {
  {
    MemoryShare share;
    EXPECT_TRUE(Resize(share, 9 * kMiB).ok());
    EXPECT_TRUE(Resize(share, 2 * kMiB).ok());
    EXPECT_EQ(budget_.TakePeak(), 9 * kMiB);
    EXPECT_EQ(budget_.TakePeak(), 2 * kMiB);
  }
  EXPECT_EQ(budget_.TakePeak(), 2 * kMiB);
  EXPECT_EQ(budget_.TakePeak(), 0);
}

TEST_F(MemoryBudgetTest, ManyThreadsNeverHoldMoreThanThereIs) {
  std::vector<std::thread> threads;
  std::atomic<int64_t> granted{0};  // never more than the budget's own count
  std::atomic<int64_t> most{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 5000; ++i) {
        const int64_t bytes = (1 + i % 40) * kMiB / 2;
        MemoryShare share;
        if (!Resize(share, bytes, std::to_string(t)).ok()) continue;
        const int64_t now = granted += bytes;
        for (int64_t before = most; now > before && !most.compare_exchange_weak(before, now);) {
        }
        granted -= bytes;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(budget_.used(), 0);
  EXPECT_GT(most, 0);
  EXPECT_LE(most, budget_.limits().bytes);
}

}  // namespace
}  // namespace torchferry::rpc
