#include "server/metrics/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <barrier>
#include <thread>

namespace torchferry::metrics {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(MetricsTest, CountsRequestsByCodeAndDevice) {
  Metrics metrics;
  const auto model = metrics.ForModel("m", 2);
  model->RequestDone("cpu", "OK", 0.01);
  model->RequestDone("cpu", "OK", 0.01);
  model->RequestDone("", "INVALID_ARGUMENT", 0.01);
  const std::string text = metrics.Serialize();
  EXPECT_THAT(text, HasSubstr("torchferry_requests_total{code=\"OK\",device=\"cpu\",model=\"m\",version=\"2\"} 2"));
  EXPECT_THAT(text, HasSubstr("code=\"INVALID_ARGUMENT\",device=\"\",model=\"m\",version=\"2\"} 1"));
  EXPECT_THAT(text, HasSubstr("torchferry_request_duration_seconds_count{model=\"m\",version=\"2\"} 3"));
}

TEST(MetricsTest, BatchesAddToTheDevicesBusyTime) {
  Metrics metrics;
  metrics.ForModel("a", 1)->BatchDone({.device = "cpu", .rows = 4, .seconds = 0.5});
  metrics.ForModel("b", 1)->BatchDone({.device = "cpu", .rows = 4, .seconds = 0.25});
  EXPECT_THAT(metrics.Serialize(), HasSubstr("torchferry_device_busy_seconds_total{device=\"cpu\"} 0.75"));
}

TEST(MetricsTest, ConnectionsAreCountedByListenerAndOutcome) {
  Metrics metrics;
  metrics.SetConnections("grpc", 3);
  metrics.ConnectionCame("grpc", "accepted");
  metrics.ConnectionCame("grpc", "accepted");
  metrics.ConnectionCame("grpc", "too_many");
  const std::string text = metrics.Serialize();
  EXPECT_THAT(text, HasSubstr("torchferry_connections{listener=\"grpc\"} 3"));
  EXPECT_THAT(text, HasSubstr("torchferry_connections_total{listener=\"grpc\",outcome=\"accepted\"} 2"));
  EXPECT_THAT(text, HasSubstr("torchferry_connections_total{listener=\"grpc\",outcome=\"too_many\"} 1"));
}

TEST(MetricsTest, TotalsCountWhatWasAnswered) {
  Metrics metrics;
  const auto model = metrics.ForModel("m", 1);
  EXPECT_EQ(model->Totals().last_unix_milliseconds, 0);
  model->RequestDone("", "INTERNAL", 1);
  model->RequestDone("", "INVALID_ARGUMENT", 1);  // no failure of the model
  EXPECT_EQ(model->Totals().last_unix_milliseconds, 0);
  model->RequestDone("cpu", "OK", 0.5);
  model->RequestDone("cpu", "OK", 0.25);
  model->BatchDone({"cpu", 2, 5, true, 0.5, 0.125, 0.25, 0.0625, 0.75});
  model->BatchDone({"cpu", 1, 3, false, 0.5, 0, 0, 0, 0.5});
  const ModelTotals totals = model->Totals();
  EXPECT_EQ(totals.success.count, 2U);
  EXPECT_EQ(totals.success.seconds, 0.75);
  EXPECT_EQ(totals.fail.count, 1U);
  EXPECT_EQ(totals.queue.count, 2U);
  EXPECT_EQ(totals.queue.seconds, 0.75);
  EXPECT_EQ(totals.compute.infer.count, 2U);  // each request has the whole pass
  EXPECT_EQ(totals.compute.infer.seconds, 0.5);
  EXPECT_EQ(totals.rows, 5U);
  EXPECT_EQ(totals.executions, 1U);
  ASSERT_EQ(totals.batches.size(), 1U);
  EXPECT_EQ(totals.batches.at(5).output.count, 1U);
  EXPECT_EQ(totals.batches.at(5).output.seconds, 0.0625);
  EXPECT_GT(totals.last_unix_milliseconds, int64_t{1600000000000});
}

TEST(MetricsTest, AModelIsInOneStateAtATime) {
  Metrics metrics;
  const std::vector<std::string> states = {"loading", "ready"};
  metrics.SetModelState("m", 1, "loading", states);
  metrics.SetModelState("m", 1, "ready", states);
  const std::string text = metrics.Serialize();
  EXPECT_THAT(text, HasSubstr("{model=\"m\",state=\"loading\",version=\"1\"} 0"));
  EXPECT_THAT(text, HasSubstr("{model=\"m\",state=\"ready\",version=\"1\"} 1"));
}

TEST(MetricsTest, AVersionThatIsGoneLeavesItsCountersAlone) {
  Metrics metrics;
  auto ending = metrics.ForModel("m", 1);
  ending->RequestDone("cpu", "OK", 0.1);
  ending->BatchDone({"cpu", 1, 1, true, 0.1, 0, 0.1, 0, 0});
  metrics.ForgetModel("m", 1, {"ready"});
  EXPECT_THAT(metrics.Serialize(), HasSubstr("torchferry_batch_rows_count"));  // it may still end requests
  auto again = metrics.ForModel("m", 1);
  EXPECT_NE(again, ending);
  ending.reset();
  again->BatchDone({"cpu", 1, 1, true, 0.1, 0, 0.1, 0, 0});
  EXPECT_THAT(metrics.Serialize(), HasSubstr("torchferry_batch_rows_count{model=\"m\",version=\"1\"} 2"));
  metrics.ForgetModel("m", 1, {"ready"});
  again.reset();
  const std::string text = metrics.Serialize();
  for (const char* gone :
       {"torchferry_batch_rows", "torchferry_compute_duration", "torchferry_queue_depth", "torchferry_in_flight"}) {
    EXPECT_THAT(text, Not(HasSubstr(std::string(gone) + "_seconds_count{")));
    EXPECT_THAT(text, Not(HasSubstr(std::string(gone) + "{")));
  }
  EXPECT_THAT(text, HasSubstr("torchferry_requests_total{code=\"OK\",device=\"cpu\",model=\"m\",version=\"1\"} 1"));
}

// The version that ends had run on another device than the one that was loaded in its place.
TEST(MetricsTest, TheLastOfAVersionTakesTheSeriesOfItsFormerDevicesAway) {
  Metrics metrics;
  auto former = metrics.ForModel("m", 1);
  former->BatchDone({"cuda:0", 1, 1, true, 0.1, 0, 0.1, 0, 0});
  metrics.ForgetModel("m", 1, {"ready"});
  auto last = metrics.ForModel("m", 1);
  last->BatchDone({"cpu", 1, 1, true, 0.1, 0, 0.1, 0, 0});
  former.reset();
  EXPECT_THAT(metrics.Serialize(), HasSubstr("torchferry_compute_duration_seconds_count{device=\"cuda:0\""));
  metrics.ForgetModel("m", 1, {"ready"});
  last.reset();
  EXPECT_THAT(metrics.Serialize(), Not(HasSubstr("torchferry_compute_duration_seconds_count{")));
}

// One thread sets a version's states while another forgets it: all of its series are there after that, or none is.
TEST(MetricsTest, AVersionMayBeSetAndForgottenAtTheSameTime) {
  Metrics metrics;
  std::vector<std::string> states;  // so many that the two threads meet
  for (int i = 0; i < 1500; ++i) states.push_back(std::to_string(i));
  constexpr int kRounds = 50;
  std::barrier both(2);
  std::thread other([&] {
    for (int round = 0; round < kRounds; ++round) {
      both.arrive_and_wait();
      metrics.ForgetModel("m", 1, states);
      both.arrive_and_wait();
    }
  });
  int torn = 0;
  for (int round = 0; round < kRounds; ++round) {
    both.arrive_and_wait();
    metrics.SetModelState("m", 1, states.front(), states);
    both.arrive_and_wait();
    const std::string text = metrics.Serialize();
    const auto shown = std::ranges::count(text, '{');
    torn += shown != 0 && shown != std::ssize(states) ? 1 : 0;
  }
  other.join();
  EXPECT_EQ(torn, 0);
}

TEST(MetricsTest, CollectorsRunAtEveryScrape) {
  Metrics metrics;
  int calls = 0;
  metrics.AddCollector([&](Metrics& m) { m.SetDeviceUtilization("cpu", 0.5 * ++calls); });
  EXPECT_THAT(metrics.Serialize(), HasSubstr("torchferry_device_utilization_ratio{device=\"cpu\"} 0.5"));
  EXPECT_THAT(metrics.Serialize(), HasSubstr("torchferry_device_utilization_ratio{device=\"cpu\"} 1"));
}

TEST(MetricsTest, AnUnknownModelIsNoLabel) {
  Metrics metrics;
  metrics.UnknownModelRequest("NOT_FOUND", 0.001);
  const std::string text = metrics.Serialize();
  EXPECT_THAT(text, HasSubstr("code=\"NOT_FOUND\",device=\"\",model=\"\",version=\"\"} 1"));
}

TEST(MetricsTest, RefusalsForWantOfMemoryAreCountedUp) {
  Metrics metrics;
  metrics.SetRequestMemory("used", 5);
  metrics.SetMemoryRefusals("connection", 0);
  EXPECT_THAT(metrics.Serialize(), HasSubstr("torchferry_memory_refusals_total{limit=\"connection\"} 0"));
  metrics.SetMemoryRefusals("connection", 3);
  metrics.SetMemoryRefusals("connection", 4);
  EXPECT_THAT(metrics.Serialize(), HasSubstr("torchferry_memory_refusals_total{limit=\"connection\"} 4"));
  EXPECT_THAT(metrics.Serialize(), HasSubstr("torchferry_request_memory_bytes{kind=\"used\"} 5"));
}

TEST(MetricsTest, TheFirstCertificateIsNoRotation) {
  Metrics metrics;
  EXPECT_THAT(metrics.Serialize(), Not(HasSubstr("torchferry_tls_")));
  metrics.TlsTaken(1800000000);
  EXPECT_THAT(metrics.Serialize(), HasSubstr("torchferry_tls_certificate_expiry_timestamp_seconds 1800000000"));
  EXPECT_THAT(metrics.Serialize(), HasSubstr("torchferry_tls_rotations_total{result=\"taken\"} 0"));
  metrics.TlsRefused();
  metrics.TlsTaken(1900000000);
  EXPECT_THAT(metrics.Serialize(), HasSubstr("torchferry_tls_rotations_total{result=\"taken\"} 1"));
  EXPECT_THAT(metrics.Serialize(), HasSubstr("torchferry_tls_rotations_total{result=\"refused\"} 1"));
}

}  // namespace
}  // namespace torchferry::metrics
