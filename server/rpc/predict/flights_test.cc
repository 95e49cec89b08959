#include "server/rpc/predict/flights.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "server/base/refusal.h"
#include "server/base/status.h"

namespace torchferry::rpc {
namespace {

constexpr FlightLoad kRequest = {.requests = 1, .bytes = 100};
constexpr FlightLoad kStream = {.streams = 1};

TEST(CheckFlightTest, EachLimitHasItsNameAndText) {
  struct Case {
    FlightOf whose;
    serving::FlightLimits limits;
    FlightLoad load;
    FlightLoad more;
    std::string limit;  // empty: there is room
    std::string text;
  };
  const std::vector<Case> cases = {
      {FlightOf::kModel, {}, {1000, 1 << 30, 1000}, kRequest, "", ""},
      {FlightOf::kModel, {.requests = 2}, {1, 0, 0}, kRequest, "", ""},
      {FlightOf::kModel,
       {.requests = 2},
       {2, 0, 0},
       kRequest,
       "model_requests",
       "model \"x\" has 2 requests in flight, and this would add 1; the limit is 2 (parameter max_requests_in_flight "
       "or "
       "--max-requests-per-model): wait for answers before asking for more"},
      {FlightOf::kModel, {.bytes = 150}, {1, 50, 0}, kRequest, "", ""},
      {FlightOf::kModel, {.bytes = 150}, {1, 51, 0}, kRequest, "model_bytes", "has 51 bytes of requests in flight"},
      {FlightOf::kModel, {.bytes = 99}, {0, 0, 0}, kRequest, "model_bytes", "send less at a time"},
      {FlightOf::kModel, {.streams = 1}, {0, 0, 1}, kStream, "model_streams", "has 1 streams in flight"},
      {FlightOf::kModel, {.streams = 1}, {0, 0, 1}, kRequest, "", "a request is no stream"},
      {FlightOf::kModel, {.requests = 1}, {1, 0, 0}, kStream, "", "a stream is no request"},
      {FlightOf::kClient,
       {.requests = 2},
       {2, 0, 0},
       kRequest,
       "client_requests",
       "the client, x, has 2 requests in flight, and this would add 1; the limit is 2 (--max-requests-per-client)"},
      {FlightOf::kClient, {.bytes = 150}, {1, 51, 0}, kRequest, "client_bytes", "--max-mib-per-client"},
      {FlightOf::kClient, {.streams = 3}, {0, 0, 3}, kStream, "client_streams", "--max-streams-per-client"},
  };
  for (const Case& c : cases) {
    const absl::Status status = CheckFlight(c.whose, "x", c.limits, c.load, c.more);
    EXPECT_EQ(base::LimitOf(status), c.limit) << c.text;
    EXPECT_EQ(status.code(), c.limit.empty() ? absl::StatusCode::kOk : absl::StatusCode::kResourceExhausted) << c.text;
    if (status.ok()) continue;
    EXPECT_NE(base::MessageOf(status).find(c.text), std::string::npos) << base::MessageOf(status);
  }
}

TEST(FlightsTest, APlaceIsTakenUntilItGoes) {
  Flights flights;
  const serving::FlightLimits one = {.requests = 1};
  auto first = flights.Enter(FlightOf::kClient, "a", one, kRequest);
  ASSERT_TRUE(first.ok());
  EXPECT_FALSE(flights.Enter(FlightOf::kClient, "a", one, kRequest).ok());
  EXPECT_TRUE(flights.Enter(FlightOf::kClient, "b", one, kRequest).ok()) << "another client";
  EXPECT_TRUE(flights.Enter(FlightOf::kModel, "a", one, kRequest).ok()) << "a model of that name";
  EXPECT_EQ(flights.size(), 1U);
  Flights::Place moved = *std::move(first);
  EXPECT_FALSE(flights.Enter(FlightOf::kClient, "a", one, kRequest).ok());
  moved.Leave();
  moved.Leave();
  EXPECT_EQ(flights.size(), 0U);
  EXPECT_TRUE(flights.Enter(FlightOf::kClient, "a", one, kRequest).ok());
}

TEST(FlightsTest, ManyThreadsNeverExceedTheLimit) {
  Flights flights;
  std::atomic<int> inside{0};
  std::atomic<int> most{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 2000; ++round) {
        auto place = flights.Enter(FlightOf::kModel, "m", {.requests = 3}, kRequest);
        if (!place.ok()) continue;
        const int now = ++inside;
        int seen = most;
        while (now > seen && !most.compare_exchange_weak(seen, now)) {
        }
        --inside;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(most, 3);
  EXPECT_EQ(flights.size(), 0U);
}

}  // namespace
}  // namespace torchferry::rpc
