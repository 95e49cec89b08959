// Watches over a real server and a real client.
#include "server/rpc/health/health_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <thread>

#include "server/metrics/metrics.h"
#include "server/rpc/test_health_client.h"
#include "server/rpc/transport/connection_metrics.h"
#include "server/rpc/transport/listener.h"

namespace torchferry::rpc {
namespace {

using grpc::health::v1::HealthCheckResponse;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class HealthServiceTest : public testing::Test {
 protected:
  HealthServiceTest() {
    const absl::Status status = listener_.Start({}, {"127.0.0.1:0", "--grpc-address", {}}, 1, {&health_}, connections_,
                                                memory_, gate_, base::Clock::Real());
    EXPECT_TRUE(status.ok()) << status;
    client_ = std::make_unique<HealthClient>(listener_.port());
  }

  // What the service says of "model/m". A look-up that is to be held up says that it has begun, and waits, with what
  // it has seen.
  std::optional<bool> Lookup(const std::string& service) {
    if (service != "model/m") return std::nullopt;
    const bool seen = is_serving_;
    if (holds_next_.exchange(false)) {
      has_begun_.count_down();
      go_on_.wait();
    }
    return seen;
  }

  std::atomic<bool> is_serving_{true};
  std::atomic<bool> holds_next_{false};
  std::latch has_begun_{1};
  std::latch go_on_{1};
  HealthService health_{[this](const std::string& service) { return Lookup(service); }};
  metrics::Metrics metrics_;
  ConnectionMetrics connections_{"grpc", metrics_, [] {}};
  CallMemory memory_{{.plan = PlanMemory(0, 0, 64 << 20), .max_message_bytes = 64 << 20}};
  OpenGate gate_;
  Listener listener_;
  std::unique_ptr<HealthClient> client_;
};

TEST_F(HealthServiceTest, CheckSaysWhatTheLookUpSays) {
  HealthCheckResponse response;
  EXPECT_TRUE(client_->Check("model/m", &response).ok());
  EXPECT_EQ(response.status(), HealthCheckResponse::SERVING);
  is_serving_ = false;
  EXPECT_TRUE(client_->Check("model/m", &response).ok());
  EXPECT_EQ(response.status(), HealthCheckResponse::NOT_SERVING);
  const grpc::Status unknown = client_->Check("no such service");
  EXPECT_EQ(unknown.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(unknown.error_message(), HasSubstr("\"no such service\""));
}

TEST_F(HealthServiceTest, AWatchTellsChangesAlone) {
  HealthWatch watch = client_->Watch("model/m");
  EXPECT_EQ(watch.Next(), HealthCheckResponse::SERVING);
  health_.Notify();  // nothing has changed
  is_serving_ = false;
  health_.Notify();
  EXPECT_EQ(watch.Next(), HealthCheckResponse::NOT_SERVING);
  is_serving_ = true;
  health_.Notify();
  EXPECT_EQ(watch.Next(), HealthCheckResponse::SERVING);
  health_.EndWatches();
  EXPECT_THAT(watch.Rest(), IsEmpty());
  EXPECT_EQ(watch.Finish(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(HealthServiceTest, AWatchOfAnUnknownServiceSaysSoAndGoesOn) {
  HealthWatch watch = client_->Watch("model/later");
  EXPECT_EQ(watch.Next(), HealthCheckResponse::SERVICE_UNKNOWN);
  health_.EndWatches();
  EXPECT_THAT(watch.Rest(), IsEmpty());
}

TEST_F(HealthServiceTest, AWatchAfterTheEndIsToldItsStatusAndEnded) {
  health_.EndWatches();
  HealthWatch watch = client_->Watch("model/m");
  EXPECT_THAT(watch.Rest(), ElementsAre(HealthCheckResponse::SERVING));
  EXPECT_EQ(watch.Finish(), grpc::StatusCode::UNAVAILABLE);
}

// The first announcement has looked, and is held up until the second one's status has reached the client.
TEST_F(HealthServiceTest, AnOvertakenAnnouncementDoesNotPutTheWatchBack) {
  HealthWatch watch = client_->Watch("model/m");
  EXPECT_EQ(watch.Next(), HealthCheckResponse::SERVING);
  holds_next_ = true;
  std::thread first([&] { health_.Notify(); });
  has_begun_.wait();
  is_serving_ = false;
  health_.Notify();
  EXPECT_EQ(watch.Next(), HealthCheckResponse::NOT_SERVING);
  // The loop has seen the end of the write before it sees this call: nothing makes the watcher look again.
  EXPECT_TRUE(client_->Check("model/m").ok());
  go_on_.count_down();
  first.join();
  health_.EndWatches();
  EXPECT_THAT(watch.Rest(), IsEmpty());
}

TEST_F(HealthServiceTest, AServicesNameHasALength) {
  const std::string name(1031, 's');
  const grpc::Status status = client_->Check(name);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("name has 1031 bytes; expected at most 1030"));
  EXPECT_EQ(client_->Check(std::string(1030, 's')).error_code(), grpc::StatusCode::NOT_FOUND);
  HealthWatch watch = client_->Watch(name);
  EXPECT_THAT(watch.Rest(), IsEmpty());
  EXPECT_EQ(watch.Finish(), grpc::StatusCode::INVALID_ARGUMENT);
}

class WatchLimitTest : public testing::Test {
 protected:
  // With place for three watches, and for two of one connection.
  WatchLimitTest() {
    const absl::Status status = listener_.Start({}, {"127.0.0.1:0", "--grpc-address", {}}, 1, {&health_}, connections_,
                                                memory_, gate_, base::Clock::Real());
    EXPECT_TRUE(status.ok()) << status;
  }
  ~WatchLimitTest() override { health_.EndWatches(); }

  // One that is open.
  static std::unique_ptr<HealthWatch> Open(HealthClient& client) {
    auto watch = std::make_unique<HealthWatch>(client.Watch(""));
    EXPECT_EQ(watch->Next(), HealthCheckResponse::SERVING);
    return watch;
  }
  static void ExpectRefused(HealthClient& client) {
    HealthWatch watch = client.Watch("");
    EXPECT_EQ(watch.Next(), std::nullopt);
    EXPECT_EQ(watch.Finish(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  }

  HealthService health_{[](const std::string&) { return std::optional(true); },
                        {.max_watches = 3, .max_watches_of_connection = 2}};
  metrics::Metrics metrics_;
  ConnectionMetrics connections_{"grpc", metrics_, [] {}};
  CallMemory memory_{{.plan = PlanMemory(0, 0, 64 << 20), .max_message_bytes = 64 << 20}};
  OpenGate gate_;
  Listener listener_;
};

TEST_F(WatchLimitTest, OfAConnectionAndInAll) {
  HealthClient one(listener_.port());
  HealthClient two(listener_.port());
  HealthClient three(listener_.port());
  const auto first = Open(one);
  const auto second = Open(one);
  ExpectRefused(one);
  const auto third = Open(two);
  ExpectRefused(three);
  EXPECT_TRUE(one.Check("").ok());
}

// The server hears of an end some time after its client: until then the place is taken.
TEST_F(WatchLimitTest, AWatchThatEndsMakesPlace) {
  HealthClient client(listener_.port());
  const auto kept = Open(client);
  for (int opened = 0; opened < 20;) {
    HealthWatch watch = client.Watch("");
    const bool is_open = watch.Next().has_value();
    if (is_open) watch.Cancel();
    const grpc::StatusCode code = watch.Finish();
    ASSERT_EQ(code, is_open ? grpc::StatusCode::CANCELLED : grpc::StatusCode::RESOURCE_EXHAUSTED);
    if (is_open) ++opened;
  }
}

}  // namespace
}  // namespace torchferry::rpc
