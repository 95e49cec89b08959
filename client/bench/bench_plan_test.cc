#include "client/bench/bench_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "server/base/status.h"

namespace torchferry::client {
namespace {

using ::testing::HasSubstr;

std::string ErrorOf(const BenchOptions& options) { return base::MessageOf(MakeBenchPlan(options, 0).status()); }

TEST(BenchPlanTest, IsOneRequestAtATimeUnlessTold) {
  const auto plan = MakeBenchPlan({}, 5);
  ASSERT_TRUE(plan.ok()) << plan.status();
  ASSERT_EQ(plan->steps.size(), 1u);
  EXPECT_EQ(plan->steps[0].concurrency, 1);
  EXPECT_FALSE(plan->is_open());
  EXPECT_EQ(plan->duration, std::chrono::seconds(5));
  EXPECT_EQ(plan->warm_up, std::chrono::seconds(1));
  EXPECT_EQ(plan->max_outstanding, 10000);
  EXPECT_EQ(plan->connections, 1);
  EXPECT_EQ(plan->seed, 5u);
}

TEST(BenchPlanTest, AListIsASweep) {
  BenchOptions closed;
  closed.concurrency = "1,4,16";
  const auto levels = MakeBenchPlan(closed, 0);
  ASSERT_TRUE(levels.ok()) << levels.status();
  ASSERT_EQ(levels->steps.size(), 3u);
  EXPECT_EQ(levels->steps[2].concurrency, 16);

  BenchOptions open;
  open.rate = "0.5,200";
  open.arrivals = "poisson";
  open.seed = 9;
  const auto rates = MakeBenchPlan(open, 0);
  ASSERT_TRUE(rates.ok()) << rates.status();
  ASSERT_EQ(rates->steps.size(), 2u);
  EXPECT_TRUE(rates->is_open());
  EXPECT_EQ(rates->steps[0].rate, 0.5);
  EXPECT_EQ(rates->arrivals, ArrivalKind::kPoisson);
  EXPECT_EQ(rates->seed, 9u);
}

TEST(BenchPlanTest, ConcurrencyAndRateExcludeEachOther) {
  BenchOptions options;
  options.concurrency = "1";
  options.rate = "1";
  EXPECT_THAT(ErrorOf(options), HasSubstr("--concurrency and --rate exclude each other"));
}

TEST(BenchPlanTest, ErrorsNameTheFlagAndTheValue) {
  for (const char* text : {"0", "-1", "1,,2", "1,", "1.5", "four", "1,2000000", " 1"}) {
    BenchOptions options;
    options.concurrency = text;
    EXPECT_THAT(ErrorOf(options), HasSubstr("--concurrency \"" + std::string(text) + "\"")) << text;
  }
  for (const char* text : {"0", "-0.1", "nan", "inf", "2e9", "1;2"}) {
    BenchOptions options;
    options.rate = text;
    EXPECT_THAT(ErrorOf(options), HasSubstr("--rate \"" + std::string(text) + "\"")) << text;
  }
  BenchOptions options;
  options.arrivals = "uniform";
  EXPECT_THAT(ErrorOf(options), HasSubstr("--arrivals \"uniform\""));
  options = {};
  options.duration_seconds = 0;
  EXPECT_THAT(ErrorOf(options), HasSubstr("--duration 0"));
  options = {};
  options.warm_up_seconds = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(ErrorOf(options), HasSubstr("--warm-up nan"));
  options = {};
  options.rows = 0;
  EXPECT_THAT(ErrorOf(options), HasSubstr("--rows 0"));
  options = {};
  options.connections = 0;
  EXPECT_THAT(ErrorOf(options), HasSubstr("--connections 0"));
  options.connections = 1;
  options.arrivals = "poisson";
  EXPECT_THAT(ErrorOf(options), HasSubstr("--arrivals poisson is of an open loop: give --rate too"));
  options = {};
  options.connections = 5000;
  EXPECT_THAT(ErrorOf(options), HasSubstr("--connections 5000 is not from 1 to 4096"));
  options = {};
  options.connections = 2;
  options.threads = 3;
  EXPECT_THAT(ErrorOf(options), HasSubstr("--threads 3 is not from 1 to 2"));
  options = {};
  options.max_outstanding = -3;
  EXPECT_THAT(ErrorOf(options), HasSubstr("--max-outstanding -3"));
}

}  // namespace
}  // namespace torchferry::client
