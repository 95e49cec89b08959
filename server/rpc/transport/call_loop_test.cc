// A loop under a real server and a real client: who carries the calls while work goes on.
#include "server/rpc/transport/call_loop.h"

#include <gtest/gtest.h>

#include <latch>
#include <optional>

#include "server/rpc/health/health_service.h"
#include "server/rpc/transport/listener.h"

namespace torchferry::rpc {
namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

// A call for "work" leaves work; what that does is up to the test.
class FakeWork final : public WorkBetweenCalls {
 public:
  void Join() override { ++joined; }
  bool HasWork() override { return std::this_thread::get_id() == left_by && left > 0; }
  void Work() override {
    worked += left.exchange(0);
    Tell();
    if (std::latch* latch = wait_for) latch->wait();
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
    const absl::Status status =
        listener_.Start(options, "127.0.0.1:0", "--grpc-address", 1, {&health_}, base::Clock::Real());
    EXPECT_TRUE(status.ok()) << status;
    listener_.SetWork(work_);
  }

  std::unique_ptr<grpc::health::v1::Health::Stub> Connect() const {
    return grpc::health::v1::Health::NewStub(
        grpc::CreateChannel("127.0.0.1:" + std::to_string(listener_.port()), grpc::InsecureChannelCredentials()));
  }

  static grpc::Status Check(grpc::health::v1::Health::Stub& stub, const std::string& service) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    HealthCheckRequest request;
    request.set_service(service);
    HealthCheckResponse response;
    return stub.Check(&context, request, &response);
  }

  // Returns when the work has begun, or was handed over.
  void LeaveWork(grpc::health::v1::Health::Stub& stub) {
    EXPECT_TRUE(Check(stub, "work").ok());
    ++left_;
    for (int now = work_.done; now < left_; now = work_.done) work_.done.wait(now);
  }

  int left_ = 0;
  FakeWork work_;
  HealthService health_{[this](const std::string& service) -> std::optional<bool> {
    if (service == "work") work_.Leave();
    return true;
  }};
  Listener listener_;
};

TEST_F(CallLoopTest, WorkIsDoneOnTheThreadThatLeftIt) {
  const auto stub = Connect();
  for (int i = 0; i < 100; ++i) LeaveWork(*stub);
  EXPECT_EQ(work_.worked + work_.handed_over, 100);
  // All, but for a thread that got no processor for a while.
  EXPECT_GT(work_.worked, 50);
  EXPECT_LE(work_.joined, 2);
}

TEST_F(CallLoopTest, WorkThatDoesNotEndHoldsNoCallUp) {
  const auto stub = Connect();
  for (int round = 0; round < 5; ++round) {
    std::latch end(1);
    work_.wait_for = &end;
    const int worked = work_.worked;
    while (work_.worked == worked) LeaveWork(*stub);
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(Check(*stub, "").ok()) << "round " << round;
    // Nobody would stand in for a second one.
    const int handed_over = work_.handed_over;
    LeaveWork(*stub);
    EXPECT_EQ(work_.worked, worked + 1);
    EXPECT_EQ(work_.handed_over, handed_over + 1);
    EXPECT_TRUE(Check(*stub, "").ok());
    work_.wait_for = nullptr;
    end.count_down();
    while (work_.worked == worked + 1) LeaveWork(*stub);
  }
}

TEST_F(CallLoopTest, EndsWhileWorkIsHeldUp) {
  const auto stub = Connect();
  std::latch end(1);
  work_.wait_for = &end;
  LeaveWork(*stub);
  EXPECT_TRUE(Check(*stub, "").ok());
  std::thread releases([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    end.count_down();
  });
  listener_.Stop(base::Duration::zero());
  EXPECT_FALSE(Check(*stub, "").ok());
  releases.join();
}

TEST_F(CallLoopTest, AWatchIsCancelledByItsCallerAndEndedByTheServer) {
  const auto stub = Connect();
  HealthCheckRequest request;
  HealthCheckResponse response;
  {
    grpc::ClientContext context;
    const auto watch = stub->Watch(&context, request);
    ASSERT_TRUE(watch->Read(&response));
    EXPECT_EQ(response.status(), HealthCheckResponse::SERVING);
    context.TryCancel();
    EXPECT_EQ(watch->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  grpc::ClientContext context;
  const auto watch = stub->Watch(&context, request);
  ASSERT_TRUE(watch->Read(&response));
  health_.EndWatches();
  EXPECT_FALSE(watch->Read(&response));
  EXPECT_EQ(watch->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace torchferry::rpc
