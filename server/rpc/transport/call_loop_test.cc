// A loop under a real server and a real client: who carries the calls while work goes on.
#include "server/rpc/transport/call_loop.h"

#include <gtest/gtest.h>

#include <latch>
#include <optional>

#include "server/base/keep_forever.h"
#include "server/metrics/metrics.h"
#include "server/rpc/health/health_service.h"
#include "server/rpc/test_health_client.h"
#include "server/rpc/transport/connection_metrics.h"
#include "server/rpc/transport/listener.h"

namespace torchferry::rpc {
namespace {

using grpc::health::v1::HealthCheckResponse;

// A call for "work" leaves work; what that does is up to the test.
class FakeWork final : public InlineWork {
 public:
  void Attach() override { ++joined; }
  bool HasWork() override { return std::this_thread::get_id() == left_by && left > 0; }
  size_t Requests() override { return static_cast<size_t>(left); }
  void Run() override {
    std::latch* const latch = wait_for;  // before the test hears of it, and sets the next one
    worked += left.exchange(0);
    Tell();
    if (latch != nullptr) latch->wait();
  }
  bool IsAlone() override { return is_alone; }
  void HandOver() override {
    handed_over += left.exchange(0);
    Tell();
  }

  void Leave() {
    left_by = std::this_thread::get_id();
    ++left;
  }

  std::atomic<std::thread::id> left_by{};
  std::atomic<int> left{0};
  std::atomic<bool> is_alone{true};
  std::atomic<std::latch*> wait_for{nullptr};
  std::atomic<int> joined{0};
  std::atomic<int> worked{0};
  std::atomic<int> handed_over{0};
  std::atomic<int> done{0};  // of either kind

 private:
  void Tell() {
    done = worked + handed_over;
    done.notify_all();
  }
};

class CallLoopTest : public testing::Test {
 protected:
  CallLoopTest() {
    RpcServer::Options options;
    options.busy_poll = std::chrono::microseconds(100);
    const absl::Status status = listener_.Start(options, {"127.0.0.1:0", "--grpc-address", {}}, 1, {&health_},
                                                connections_, memory_, gate_, base::Clock::Real());
    EXPECT_TRUE(status.ok()) << status;
    listener_.SetWork(work_);
  }

  // Returns when the work has begun, or was handed over.
  void LeaveWork(HealthClient& client) {
    EXPECT_TRUE(client.Check("work").ok());
    ++left_;
    for (int now = work_.done; now < left_; now = work_.done) work_.done.wait(now);
  }

  int left_ = 0;
  FakeWork work_;
  HealthService health_{[this](const identity::Caller&, const std::string& service) -> std::optional<bool> {
    if (service == "work") work_.Leave();
    return true;
  }};
  metrics::Metrics metrics_;
  ConnectionMetrics connections_{"grpc", metrics_, [] {}};
  CallMemory memory_{{.plan = PlanMemory(0, 0, 64 << 20), .max_message_bytes = 64 << 20}};
  OpenGate gate_;
  Listener listener_;
};

TEST_F(CallLoopTest, WorkIsDoneOnTheThreadThatLeftIt) {
  HealthClient client(listener_.port());
  for (int i = 0; i < 100; ++i) LeaveWork(client);
  EXPECT_EQ(work_.worked + work_.handed_over, 100);
  // All, but for a thread that got no processor for a while.
  EXPECT_GT(work_.worked, 50);
  EXPECT_LE(work_.joined, 2);
}

TEST_F(CallLoopTest, WorkThatDoesNotEndHoldsNoCallUp) {
  HealthClient client(listener_.port());
  for (int round = 0; round < 5; ++round) {
    std::latch end(1);
    work_.wait_for = &end;
    const int worked = work_.worked;
    while (work_.worked == worked) LeaveWork(client);
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(client.Check("").ok()) << "round " << round;
    // Nobody would stand in for a second one.
    const int handed_over = work_.handed_over;
    LeaveWork(client);
    EXPECT_EQ(work_.worked, worked + 1);
    EXPECT_EQ(work_.handed_over, handed_over + 1);
    EXPECT_TRUE(client.Check("").ok());
    work_.wait_for = nullptr;
    end.count_down();
    while (work_.worked == worked + 1) LeaveWork(client);
  }
}

// It takes some seconds until a thread counts as lost.
TEST_F(CallLoopTest, AThreadThatIsLostIsReplaced) {
  HealthClient client(listener_.port());
  std::latch end(1);
  work_.wait_for = &end;
  for (int lost = 1; lost <= 2; ++lost) {
    while (work_.worked < lost) LeaveWork(client);
    EXPECT_TRUE(client.Check("").ok());
  }
  EXPECT_GE(work_.joined, 2);
  end.count_down();
  listener_.Stop(base::Duration::zero());  // they come back before `end` goes
}

TEST(LostThreadTest, StopDoesNotWaitForAThreadThatDoesNotComeBack) {
  auto& work = *new FakeWork;  // which that thread is in
  auto& end = *new std::latch(1);
  auto& memory = *new CallMemory({.plan = PlanMemory(0, 0, 64 << 20), .max_message_bytes = 64 << 20});
  metrics::Metrics metrics;
  ConnectionMetrics connections("grpc", metrics, [] {});
  HealthService health([&](const identity::Caller&, const std::string& service) -> std::optional<bool> {
    if (service == "work") work.Leave();
    return true;
  });
  {
    OpenGate gate;
    Listener listener;
    const absl::Status status = listener.Start({}, {"127.0.0.1:0", "--grpc-address", {}}, 1, {&health}, connections,
                                               memory, gate, base::Clock::Real());
    ASSERT_TRUE(status.ok()) << status;
    listener.SetWork(work);
    HealthClient client(listener.port());
    work.wait_for = &end;
    EXPECT_TRUE(client.Check("work").ok());
    for (int now = work.done; now < 1; now = work.done) work.done.wait(now);
    EXPECT_TRUE(client.Check("").ok());
    listener.Stop(base::Duration::zero());
    EXPECT_FALSE(client.Check("").ok());
  }
  base::KeepForever(&work);  // for a checker of leaks
  base::KeepForever(&end);
  base::KeepForever(&memory);
}

TEST_F(CallLoopTest, EndsWhileWorkIsHeldUp) {
  HealthClient client(listener_.port());
  std::latch end(1);
  work_.wait_for = &end;
  LeaveWork(client);
  EXPECT_TRUE(client.Check("").ok());
  std::thread releases([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    end.count_down();
  });
  listener_.Stop(base::Duration::zero());
  EXPECT_FALSE(client.Check("").ok());
  releases.join();
}

TEST_F(CallLoopTest, AWatchIsCancelledByItsCallerAndEndedByTheServer) {
  HealthClient client(listener_.port());
  {
    HealthWatch watch = client.Watch("");
    EXPECT_EQ(watch.Next(), HealthCheckResponse::SERVING);
    watch.Cancel();
    EXPECT_EQ(watch.Finish(), grpc::StatusCode::CANCELLED);
  }
  HealthWatch watch = client.Watch("");
  EXPECT_EQ(watch.Next(), HealthCheckResponse::SERVING);
  health_.EndWatches();
  EXPECT_EQ(watch.Next(), std::nullopt);
  EXPECT_EQ(watch.Finish(), grpc::StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace torchferry::rpc
