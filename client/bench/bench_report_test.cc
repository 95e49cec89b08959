#include "client/bench/bench_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace torchferry::client {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::Not;

const BenchTime kStart = BenchTime() + std::chrono::hours(1);

v1::Execution On(const std::string& device, const std::string& fallback_reason = "") {
  v1::Execution execution;
  execution.set_device(device);
  execution.set_fallback(!fallback_reason.empty());
  execution.set_fallback_reason(fallback_reason);
  execution.set_batch_rows(2);
  execution.set_queue_seconds(0.001);
  execution.set_compute_seconds(0.004);
  return execution;
}

// Two rates: one with answers from two devices, one that got none.
BenchReport OpenReport() {
  BenchReport report;
  report.model_name = "m";
  report.model_version = 3;
  report.rows = 2;
  report.plan.steps = {{0, 10}, {0, 1000}};
  report.plan.arrivals = ArrivalKind::kPoisson;
  report.plan.duration = std::chrono::seconds(1);
  const BenchWindow window{kStart, kStart + report.plan.duration};
  BenchStats good(window);
  for (int i = 0; i < 3; ++i) good.AddAnswer(kStart, kStart + milliseconds(5), On("cuda:0"));
  good.AddAnswer(kStart, kStart + milliseconds(8), On("cpu", "device_lost"));
  BenchStats bad(window);
  for (int i = 0; i < 7; ++i) {
    bad.AddError(kStart, kStart + milliseconds(2), absl::StatusCode::kUnavailable,
                 [] { return absl::UnavailableError("full\x1b"); });
  }
  bad.AddNotSent(kStart);
  bad.AddSendDelay(kStart, kStart + milliseconds(3));
  report.steps = {{report.plan.steps[0], good}, {report.plan.steps[1], bad}};
  return report;
}

std::string TextOf(const BenchReport& report) {
  std::istringstream in;
  std::ostringstream out;
  return BenchText(report, false, Console{in, out, out});
}

TEST(BenchReportTest, ShowsEachStepInARow) {
  EXPECT_EQ(
      TextOf(OpenReport()),
      "model m · version 3 · 2 rows a request · 1 s a step after 0 s · 1 connection · poisson arrivals\n"
      "\n"
      "RATE  REQUESTS/S  ROWS/S  MEAN ms   P50   P90   P95   P99  P99.9   MAX  ERRORS  NOT SENT\n"
      "  10         4.0     8.0     5.75  5.00  8.00  8.00  8.00   8.00  8.00       0         0\n"
      "1000         0.0     0.0        -     -     -     -     -      -     -       7         1\n"
      "\n"
      "RATE                         DEVICE  BATCH ROWS  QUEUE ms  COMPUTE ms       FALLBACKS\n"
      "  10  cuda:0 (75.0 %), cpu (25.0 %)        2.00      1.00        4.00  1: device_lost\n"
      "1000                              -           -         -           -               0\n"
      "\n"
      "RATE  ERROR        COUNT  P50 ms  P99 ms  THE FIRST ONE\n"
      "1000  UNAVAILABLE  7      2.00    2.00    full\\x1b\n"
      "\n"
      "At rate 1000 this client sent requests 3.00 ms late on average, 3.00 ms at most; the latencies have that in "
      "them.\n");
}

TEST(BenchReportTest, SaysThatItWasInterrupted) {
  BenchReport report = OpenReport();
  EXPECT_THAT(TextOf(report), Not(HasSubstr("Interrupted")));
  report.was_interrupted = true;
  EXPECT_THAT(TextOf(report), HasSubstr("\nInterrupted: "));
}

TEST(BenchReportTest, WritesJson) {
  BenchReport report = OpenReport();
  report.inputs = {{"x", tensor::DType::kFp32, {2, 3}, true}};
  report.timeout = milliseconds(1500);
  const nlohmann::ordered_json document = BenchJson(report);
  EXPECT_EQ(document["options"].dump(),
            R"({"inputs":[{"name":"x","dtype":"FP32","shape":[2,3],"generated":true,"made_up":true}],)"
            R"("rows":2,"connections":1,)"
            R"("threads":1,"duration_seconds":1.0,"warm_up_seconds":0.0,"timeout_seconds":1.5,"arrivals":"poisson",)"
            R"("max_outstanding":0,"seed":0})");
  const auto& good = document["steps"][0];
  EXPECT_EQ(good["rate"], 10);
  EXPECT_EQ(good["requests_per_second"], 4);
  EXPECT_EQ(good["rows_per_second"], 8);
  EXPECT_EQ(good["latency_ms"]["max"], 8);
  EXPECT_EQ(good["server"].dump(),
            R"({"devices":{"cuda:0":3,"cpu":1},"mean_batch_rows":2.0,"mean_queue_ms":1.0,"mean_compute_ms":4.0,)"
            R"("fallbacks":1,"fallback_reasons":{"device_lost":1}})");
  EXPECT_EQ(good["histogram"].size(), 2u);
  EXPECT_EQ(good["histogram"][0]["count"], 3);
}

TEST(BenchReportTest, NumbersOfNothingAreNull) {
  const nlohmann::ordered_json document = BenchJson(OpenReport());
  EXPECT_EQ(document["server_version"], nullptr);
  EXPECT_EQ(document["options"]["timeout_seconds"], nullptr);
  const auto& bad = document["steps"][1];
  EXPECT_EQ(bad["ok"], 0);
  EXPECT_EQ(bad["failed"], 7);
  EXPECT_EQ(bad["not_sent"], 1);
  EXPECT_EQ(bad["latency_ms"]["p99_9"], nullptr);
  EXPECT_EQ(bad["server"]["mean_compute_ms"], nullptr);
  EXPECT_EQ(bad["errors"][0]["code"], "UNAVAILABLE");
  EXPECT_EQ(bad["errors"][0]["latency_ms"]["p99"], 2);
  EXPECT_EQ(bad["send_delay_ms"]["max"], 3);
}

}  // namespace
}  // namespace torchferry::client
