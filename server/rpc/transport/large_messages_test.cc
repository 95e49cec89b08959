// Large messages under a real server and real clients: while one of them is held up, the rest goes on.
#include "server/rpc/transport/large_messages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <latch>
#include <set>
#include <thread>

#include "grpc/health/v1/health.grpc.pb.h"
#include "server/metrics/metrics.h"
#include "server/rpc/transport/connection_metrics.h"
#include "server/rpc/transport/listener.h"

namespace torchferry::rpc {
namespace {

using grpc::health::v1::Health;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;
using testing::ElementsAre;

constexpr size_t kLarge = 600 << 10;
constexpr int64_t kMaxMessage = 8 << 20;

class Recorder final : public CallEvent {
 public:
  Recorder(int number, std::vector<int>& happened) : number_(number), happened_(happened) {}
  void OnEvent(bool ok) override { happened_.push_back(ok ? number_ : -1); }

 private:
  const int number_;
  std::vector<int>& happened_;
};

TEST(LargeMessagesTest, EventsHappenOnceInTheirOrderAndBeforeTheEnd) {
  std::vector<int> happened;
  Recorder first(1, happened);
  Recorder second(2, happened);
  Recorder third(3, happened);
  LargeMessages large(1 << 20);
  for (Recorder* event : {&first, &second, &third}) large.Carry(*event, 1 << 10);
  large.Stop();
  EXPECT_THAT(happened, ElementsAre(1, 2, 3));
}

TEST(LargeMessagesTest, StopWithoutAnEventHasNothingToEnd) {
  LargeMessages large(1 << 20);
  large.Stop();
  large.Stop();
}

// Checks whose requests the test answers itself.
class HeldService final : public RpcService {
 public:
  using Check = UnaryCall<HealthCheckRequest, HealthCheckResponse>;
  explicit HeldService(std::function<void(Check&)> handler) : handler_(std::move(handler)) {}
  grpc::Service& service() override { return service_; }
  void Serve(CallLoop& loop) override {
    RegisterAsyncUnary(loop, service_, &Health::AsyncService::RequestCheck, handler_, 16);
  }

 private:
  const std::function<void(Check&)> handler_;
  RawService<Health> service_;
};

// A call that a thread of its own waits for.
class Asking {
 public:
  Asking(Health::Stub& stub, std::string service, bool is_compressed = false) {
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    if (is_compressed) context_.set_compression_algorithm(GRPC_COMPRESS_GZIP);
    status_ = std::async(std::launch::async, [this, &stub, service = std::move(service)] {
      HealthCheckRequest request;
      request.set_service(service);
      HealthCheckResponse response;
      return stub.Check(&context_, request, &response);
    });
  }
  void Cancel() { context_.TryCancel(); }
  grpc::StatusCode Code() { return status_.get().error_code(); }

 private:
  grpc::ClientContext context_;
  std::future<grpc::Status> status_;
};

class LargeCallsTest : public testing::Test {
 protected:
  LargeCallsTest() {
    const absl::Status status = listener_.Start({}, {"127.0.0.1:0", "--grpc-address", {}}, 1, {&service_}, connections_,
                                                memory_, gate_, base::Clock::Real());
    EXPECT_TRUE(status.ok()) << status;
    stub_ = Health::NewStub(
        grpc::CreateChannel("127.0.0.1:" + std::to_string(listener_.port()), grpc::InsecureChannelCredentials()));
  }
  ~LargeCallsTest() override { listener_.Stop(std::chrono::seconds(10)); }

  // The first byte of a request says what becomes of it.
  static std::string Large(char kind) { return std::string(kLarge, kind); }
  static constexpr char kAnswered = 'a';
  static constexpr char kHeld = 'h';

  void Handle(HeldService::Check& call) {
    const std::string& service = call.request().service();
    {
      base::MutexLock lock(mutex_);
      (service.size() < kLarge ? small_ : large_).insert(std::this_thread::get_id());
      ++handled_;
    }
    if (service.starts_with(kHeld)) {
      is_held_.count_down();
      end_.wait();
      call.OnCancel([this] { ++cancelled_; });
    }
    call.Finish(absl::OkStatus());
  }

  grpc::StatusCode Ask(std::string service) { return Asking(*stub_, std::move(service)).Code(); }
  // Until the server holds so much of requests and answers.
  void WaitForUse(int64_t bytes) {
    while (memory_.budget().used() < bytes) std::this_thread::yield();
  }
  int handled() {
    base::MutexLock lock(mutex_);
    return handled_;
  }

  base::Mutex mutex_;
  std::set<std::thread::id> small_ FERRY_GUARDED_BY(mutex_);  // threads that handled these
  std::set<std::thread::id> large_ FERRY_GUARDED_BY(mutex_);
  int handled_ FERRY_GUARDED_BY(mutex_) = 0;
  std::atomic<int> cancelled_{0};
  std::latch is_held_{1};
  std::latch end_{1};
  HeldService service_{[this](auto& call) { Handle(call); }};
  metrics::Metrics metrics_;
  ConnectionMetrics connections_{"grpc", metrics_, [] {}};
  CallMemory memory_{{.plan = PlanMemory(1, 0, kMaxMessage), .max_message_bytes = kMaxMessage}};
  std::unique_ptr<Health::Stub> stub_;
  OpenGate gate_;
  Listener listener_;
};

TEST_F(LargeCallsTest, SmallRequestsPassALargeOneThatIsHeldUp) {
  Asking held(*stub_, Large(kHeld));
  is_held_.wait();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(Ask("a"), grpc::StatusCode::OK);
  Asking next(*stub_, Large(kAnswered));
  WaitForUse(2 * kLarge);
  EXPECT_EQ(handled(), 21) << "large ones come one after another";
  end_.count_down();
  EXPECT_EQ(held.Code(), grpc::StatusCode::OK);
  EXPECT_EQ(next.Code(), grpc::StatusCode::OK);
  EXPECT_EQ(handled(), 22);
}

TEST_F(LargeCallsTest, ARequestIsLargeThatMayInflateToMuch) {
  EXPECT_EQ(Ask("a"), grpc::StatusCode::OK);
  EXPECT_EQ(Ask(Large(kAnswered)), grpc::StatusCode::OK);
  EXPECT_EQ(Asking(*stub_, std::string(4 << 20, kAnswered), /*is_compressed=*/true).Code(), grpc::StatusCode::OK);
  base::MutexLock lock(mutex_);
  EXPECT_EQ(large_.size(), 1U);
  EXPECT_EQ(small_.count(*large_.begin()), 0U);
}

TEST_F(LargeCallsTest, WhoIsCancelledWhileItWaitsIsNotParsed) {
  Asking held(*stub_, Large(kHeld));
  is_held_.wait();
  Asking gone(*stub_, Large(kAnswered));
  WaitForUse(2 * kLarge);
  gone.Cancel();
  EXPECT_EQ(gone.Code(), grpc::StatusCode::CANCELLED);
  // Of the same connection: the server has heard of it before these.
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Ask("a"), grpc::StatusCode::OK);
  end_.count_down();
  EXPECT_EQ(held.Code(), grpc::StatusCode::OK);
  EXPECT_EQ(Ask(Large(kAnswered)), grpc::StatusCode::OK);
  EXPECT_EQ(handled(), 5);
}

TEST_F(LargeCallsTest, WhoIsCancelledBeforeItSaysWhatThenHearsOfItAtOnce) {
  Asking held(*stub_, Large(kHeld));
  is_held_.wait();
  held.Cancel();
  EXPECT_EQ(held.Code(), grpc::StatusCode::CANCELLED);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Ask("a"), grpc::StatusCode::OK);
  end_.count_down();
  EXPECT_EQ(Ask(Large(kAnswered)), grpc::StatusCode::OK);
  EXPECT_EQ(cancelled_, 1);
}

TEST_F(LargeCallsTest, WhoBringsMoreThanMayWaitDoesTheWork) {
  Asking held(*stub_, Large(kHeld));
  is_held_.wait();
  const std::string five_mib(5 << 20, kAnswered);
  Asking next(*stub_, five_mib);
  WaitForUse(kLarge + static_cast<int64_t>(five_mib.size()));
  EXPECT_EQ(Ask(five_mib), grpc::StatusCode::OK) << "which is parsed at once, as 8 MiB may wait";
  EXPECT_EQ(handled(), 2);
  end_.count_down();
  EXPECT_EQ(next.Code(), grpc::StatusCode::OK);
  EXPECT_EQ(held.Code(), grpc::StatusCode::OK);
  EXPECT_EQ(Ask(std::string(static_cast<size_t>(kMaxMessage) - 64, kAnswered)), grpc::StatusCode::OK);
}

TEST_F(LargeCallsTest, TheServerEndsAfterThoseThatWait) {
  Asking held(*stub_, Large(kHeld));
  is_held_.wait();
  Asking next(*stub_, Large(kAnswered));
  WaitForUse(2 * kLarge);
  std::thread stop([this] { listener_.Stop(std::chrono::seconds(60)); });
  end_.count_down();
  EXPECT_EQ(held.Code(), grpc::StatusCode::OK);
  EXPECT_EQ(next.Code(), grpc::StatusCode::OK);
  stop.join();
  EXPECT_EQ(handled(), 2);
}

}  // namespace
}  // namespace torchferry::rpc
