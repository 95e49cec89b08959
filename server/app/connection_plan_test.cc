#include "server/app/connection_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/base/status.h"

namespace torchferry::app {
namespace {

using ::testing::HasSubstr;

TEST(ConnectionPlanTest, LeavesDescriptorsToFilesAndOtherListeners) {
  for (const uint64_t descriptors : {64, 256, 1024, 20000, 1048576}) {
    const auto plan = PlanConnections({}, descriptors);
    ASSERT_TRUE(plan.ok()) << plan.status();
    EXPECT_GE(plan->grpc.all, descriptors < 20000 ? descriptors / 2 : 8192) << descriptors;
    EXPECT_LE(plan->grpc.all + plan->admin.all + plan->http, descriptors - descriptors / 8 + 256) << descriptors;
    EXPECT_LE(plan->grpc.all + plan->admin.all + plan->http, descriptors - 4) << descriptors;
  }
}

TEST(ConnectionPlanTest, HasABoundWhereDescriptorsHaveNone) {
  const auto plan = PlanConnections({}, uint64_t{1} << 40);
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->grpc.all, 8192);
  EXPECT_EQ(plan->http, 256);
}

TEST(ConnectionPlanTest, OnePeerLeavesATenth) {
  ServerFlags flags;
  flags.max_connections = 100;
  EXPECT_EQ(PlanConnections(flags, 1024)->grpc.per_peer, 90);
  flags.max_connections = 1;
  EXPECT_EQ(PlanConnections(flags, 1024)->grpc.per_peer, 1);
}

TEST(ConnectionPlanTest, FlagsAreFollowed) {
  ServerFlags flags;
  flags.max_connections = 500;
  flags.max_connections_per_peer = 20;
  const auto plan = PlanConnections(flags, 1024);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->grpc.all, 500);
  EXPECT_EQ(plan->grpc.per_peer, 20);
  flags.max_connections_per_peer = 1000;
  EXPECT_EQ(PlanConnections(flags, 1024)->grpc.per_peer, 500);
}

TEST(ConnectionPlanTest, MoreThanTheDescriptorsIsRefusedAndTheMostWorks) {
  ServerFlags flags;
  flags.max_connections = 2000;
  const auto refused = PlanConnections(flags, 1024);
  ASSERT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(base::MessageOf(refused.status()), HasSubstr("--max-connections 2000"));
  const std::string message = base::MessageOf(refused.status());
  const std::string most = message.substr(message.rfind(' ') + 1);
  flags.max_connections = std::stoi(most);
  EXPECT_TRUE(PlanConnections(flags, 1024).ok()) << most;
  ++flags.max_connections;
  EXPECT_FALSE(PlanConnections(flags, 1024).ok()) << most;
}

}  // namespace
}  // namespace torchferry::app
