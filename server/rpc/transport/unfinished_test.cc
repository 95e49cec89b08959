#include "server/rpc/transport/unfinished.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "server/rpc/transport/delivered_bytes.h"

namespace torchferry::rpc {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Connections by descriptor; the client's port is 1000 more.
class UnfinishedBytesTest : public ::testing::Test {
 protected:
  void Open(int descriptor, const std::string& peer = "peer") {
    received_[descriptor] = 0;
    unfinished_.Add(
        {.descriptor = descriptor, .inode = 7, .port = static_cast<uint16_t>(1000 + descriptor), .peer = peer});
  }
  void Deliver(int descriptor, int64_t bytes) { delivered_.Add(static_cast<uint16_t>(1000 + descriptor), bytes); }
  // The descriptors of those that are to end.
  std::vector<int> Look() {
    std::vector<int> ended;
    for (const UnfinishedBytes::Ending& ending : unfinished_.Look()) ended.push_back(ending.connection.descriptor);
    return ended;
  }

  std::map<int, int64_t> received_;
  DeliveredBytes delivered_;
  UnfinishedBytes unfinished_{100,
                              {.received = [this](int descriptor, uint64_t) -> std::optional<int64_t> {
                                 const auto found = received_.find(descriptor);
                                 return found == received_.end() ? std::nullopt : std::optional(found->second);
                               },
                               .delivered = [this](uint16_t port) { return delivered_.Of(port); }}};
};

TEST_F(UnfinishedBytesTest, WhatBecomesRequestsIsNotUnfinished) {
  Open(1);
  for (int i = 1; i <= 1000; ++i) {
    received_[1] += 90;
    EXPECT_THAT(Look(), IsEmpty());
    Deliver(1, 90);
  }
}

TEST_F(UnfinishedBytesTest, TheLimitIsOfAllTogether) {
  for (int i = 1; i <= 4; ++i) Open(i);
  for (int i = 1; i <= 4; ++i) received_[i] = 25;
  EXPECT_THAT(Look(), IsEmpty());
  received_[3] += 1;
  EXPECT_THAT(Look(), ElementsAre(3));
  EXPECT_THAT(Look(), IsEmpty());
}

TEST_F(UnfinishedBytesTest, AsManyEndAsMustThoseWithMostFirst) {
  for (int i = 1; i <= 4; ++i) Open(i);
  for (int i = 1; i <= 4; ++i) received_[i] = 30 * i;
  EXPECT_THAT(Look(), ElementsAre(4, 3));  // 120 and 90 of 300
}

TEST_F(UnfinishedBytesTest, APeerWithManyConnectionsGivesBeforeOneWithALargeRequest) {
  Open(1, "good");
  received_[1] = 40;
  for (int i = 2; i <= 9; ++i) Open(i, "bad");
  for (int i = 2; i <= 9; ++i) received_[i] = 9;
  EXPECT_EQ(Look().size(), 2);
  EXPECT_THAT(Look(), IsEmpty());
  received_[1] += 5;
  EXPECT_THAT(Look(), IsEmpty());
}

TEST_F(UnfinishedBytesTest, WhatRequestsCountBeyondWhatTheyTookHidesNothing) {
  Open(1);
  for (int i = 0; i < 10; ++i) {
    Deliver(1, 1000);
    EXPECT_THAT(Look(), IsEmpty());
  }
  received_[1] += 101;
  EXPECT_THAT(Look(), ElementsAre(1));
}

TEST_F(UnfinishedBytesTest, AConnectionThatHasEndedCountsNoMore) {
  Open(1);
  Open(2);
  received_[1] = received_[2] = 60;
  received_.erase(1);
  EXPECT_THAT(Look(), IsEmpty());
}

TEST_F(UnfinishedBytesTest, ANewConnectionFromAnOldPortBeginsAtNothing) {
  Open(1);
  received_[1] = 1000;
  Deliver(1, 1000);
  EXPECT_THAT(Look(), IsEmpty());
  Open(1);
  received_[1] = 101;
  EXPECT_THAT(Look(), ElementsAre(1));
}

TEST_F(UnfinishedBytesTest, LooksSoonWhenMuchComes) {
  Open(1);
  Look();
  const base::Duration calm = unfinished_.UntilNextLook();
  received_[1] += 1 << 20;
  Deliver(1, 1 << 20);
  Look();
  EXPECT_LT(unfinished_.UntilNextLook(), calm / 10);
}

TEST(DeliveredBytesTest, AConnectionIsItsClientsPort) {
  DeliveredBytes delivered;
  delivered.Add(50123, 5);
  delivered.Add(50123, 6);
  delivered.Add(50124, 7);
  delivered.Add(0, 8);
  EXPECT_EQ(delivered.Of(50123), 11);
  EXPECT_EQ(delivered.Of(50124), 7);
  EXPECT_EQ(delivered.Of(0), 0);
  EXPECT_EQ(delivered.Of(5012), 0);
}

}  // namespace
}  // namespace torchferry::rpc
