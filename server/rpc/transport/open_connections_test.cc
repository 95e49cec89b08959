#include "server/rpc/transport/open_connections.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <set>
#include <string>
#include <utility>

namespace torchferry::rpc {
namespace {

class OpenConnectionsTest : public ::testing::Test {
 protected:
  void Add(int descriptor, uint64_t inode, const std::string& peer) {
    open_.emplace(descriptor, inode);
    connections_.Add(descriptor, inode, peer);
  }
  void Close(int descriptor, uint64_t inode) { open_.erase({descriptor, inode}); }

  std::set<std::pair<int, uint64_t>> open_;
  OpenConnections connections_{{.all = 4, .per_peer = 3}, [this](int descriptor, uint64_t inode) {
                                 return open_.contains({descriptor, inode});
                               }};
};

TEST_F(OpenConnectionsTest, OneMoreThanAllIsTooMany) {
  for (int i = 0; i < 4; ++i) {
    const std::string peer = "peer" + std::to_string(i);
    EXPECT_EQ(connections_.Judge(peer), ConnectionVerdict::kAccept);
    Add(i, 100 + static_cast<uint64_t>(i), peer);
  }
  EXPECT_TRUE(connections_.IsFull());
  EXPECT_EQ(connections_.Judge("another"), ConnectionVerdict::kTooMany);
}

TEST_F(OpenConnectionsTest, OnePeerLeavesRoomForOthers) {
  for (int i = 0; i < 3; ++i) Add(i, 100 + static_cast<uint64_t>(i), "greedy");
  EXPECT_EQ(connections_.Judge("greedy"), ConnectionVerdict::kTooManyOfPeer);
  EXPECT_EQ(connections_.Judge("other"), ConnectionVerdict::kAccept);
}

TEST_F(OpenConnectionsTest, SweepForgetsWhatHasBeenClosed) {
  for (int i = 0; i < 3; ++i) Add(i, 100 + static_cast<uint64_t>(i), "peer");
  Close(1, 101);
  connections_.Sweep();
  EXPECT_EQ(connections_.count(), 2);
  EXPECT_EQ(connections_.Judge("peer"), ConnectionVerdict::kAccept);
}

TEST_F(OpenConnectionsTest, ADescriptorThatIsSomethingElseByNowIsNoConnection) {
  Add(7, 100, "peer");
  Close(7, 100);
  open_.emplace(7, 200);  // a file of the same number
  connections_.Sweep();
  EXPECT_EQ(connections_.count(), 0);
}

TEST_F(OpenConnectionsTest, ADescriptorThatIsUsedAgainCountsOnce) {
  for (int i = 0; i < 3; ++i) Add(7, 100 + static_cast<uint64_t>(i), "greedy");
  EXPECT_EQ(connections_.count(), 1);
  EXPECT_EQ(connections_.Judge("greedy"), ConnectionVerdict::kAccept);
  Add(7, 200, "other");
  Close(7, 200);
  connections_.Sweep();
  EXPECT_EQ(connections_.count(), 0);
  Add(8, 300, "greedy");
  EXPECT_EQ(connections_.count(), 1);
}

TEST(SocketInodeTest, TellsASocketFromWhatHasItsNumberLater) {
  std::array<int, 2> pair{};
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()), 0);
  const uint64_t inode = SocketInode(pair[0]);
  EXPECT_NE(inode, 0);
  EXPECT_TRUE(IsSocketOpen(pair[0], inode));
  EXPECT_FALSE(IsSocketOpen(pair[1], inode));
  close(pair[0]);
  EXPECT_FALSE(IsSocketOpen(pair[0], inode));
  std::array<int, 2> pipe_ends{};
  ASSERT_EQ(pipe(pipe_ends.data()), 0);
  EXPECT_EQ(SocketInode(pipe_ends[0]), 0);  // has the number now
  close(pipe_ends[0]);
  close(pipe_ends[1]);
  close(pair[1]);
}

}  // namespace
}  // namespace torchferry::rpc
