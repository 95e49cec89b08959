#include "client/bench/latency_histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace torchferry::client {
namespace {

using std::chrono::nanoseconds;

// The smallest sample that `percent` of all are not above.
int64_t ExactPercentile(const std::vector<int64_t>& sorted, double percent) {
  const auto rank = static_cast<size_t>(std::ceil(percent / 100 * static_cast<double>(sorted.size())));
  return sorted[std::max<size_t>(rank, 1) - 1];
}

TEST(LatencyHistogramTest, PercentilesAreThoseOfTheSortedSamples) {
  std::mt19937_64 random(7);
  std::lognormal_distribution<double> microseconds_to_minutes(15, 4);
  LatencyHistogram histogram;
  std::vector<int64_t> samples;
  double sum = 0;
  for (int i = 0; i < 20000; ++i) {
    samples.push_back(static_cast<int64_t>(microseconds_to_minutes(random)));
    sum += static_cast<double>(samples.back());
    histogram.Add(nanoseconds(samples.back()));
  }
  std::sort(samples.begin(), samples.end());
  for (const double percent : {0.001, 1.0, 50.0, 90.0, 95.0, 99.0, 99.9, 99.99, 100.0}) {
    const auto exact = static_cast<double>(ExactPercentile(samples, percent));
    const auto found = static_cast<double>(histogram.Percentile(percent).count());
    EXPECT_NEAR(found, exact, exact * 0.005 + 1) << percent;
  }
  EXPECT_EQ(histogram.count(), samples.size());
  EXPECT_EQ(histogram.Min().count(), samples.front());
  EXPECT_EQ(histogram.Max().count(), samples.back());
  EXPECT_NEAR(static_cast<double>(histogram.Mean().count()), sum / 20000, 1);
}

TEST(LatencyHistogramTest, EachValueIsInsideItsBucket) {
  for (int shift = 0; shift < 63; ++shift) {
    for (const int64_t offset : {-1, 0, 1}) {
      const int64_t value = (int64_t{1} << shift) + offset;
      LatencyHistogram histogram;
      histogram.Add(nanoseconds(value));
      const auto buckets = histogram.Buckets();
      ASSERT_EQ(buckets.size(), 1u);
      EXPECT_LE(buckets[0].from.count(), value);
      EXPECT_GT(buckets[0].to.count(), value);
      EXPECT_LE(static_cast<double>((buckets[0].to - buckets[0].from).count()),
                std::max(1.0, static_cast<double>(value) * 0.01));
      EXPECT_EQ(histogram.Percentile(50).count(), value) << "of one value all is exact";
    }
  }
}

TEST(LatencyHistogramTest, TheEndsOfTheTypeCountToo) {
  LatencyHistogram histogram;
  histogram.Add(nanoseconds(-5));
  histogram.Add(nanoseconds::max());
  EXPECT_EQ(histogram.Min().count(), 0);
  EXPECT_EQ(histogram.Max(), nanoseconds::max());
  EXPECT_EQ(histogram.Percentile(50).count(), 0);
  EXPECT_EQ(histogram.Buckets().back().to, nanoseconds::max());
}

TEST(LatencyHistogramTest, MergedIsAsIfAddedToOne) {
  LatencyHistogram one;
  LatencyHistogram other;
  LatencyHistogram all;
  for (int i = 1; i <= 1000; ++i) {
    (i % 3 == 0 ? one : other).Add(nanoseconds(i * 1000));
    all.Add(nanoseconds(i * 1000));
  }
  one.Merge(other);
  one.Merge(LatencyHistogram());
  EXPECT_EQ(one.count(), all.count());
  EXPECT_EQ(one.Mean(), all.Mean());
  EXPECT_EQ(one.Min(), all.Min());
  EXPECT_EQ(one.Max(), all.Max());
  EXPECT_EQ(one.Percentile(90), all.Percentile(90));
}

TEST(LatencyHistogramTest, AnEmptyOneIsAllZero) {
  const LatencyHistogram histogram;
  EXPECT_EQ(histogram.Mean().count(), 0);
  EXPECT_EQ(histogram.Min().count(), 0);
  EXPECT_EQ(histogram.Percentile(99).count(), 0);
  EXPECT_TRUE(histogram.Buckets().empty());
}

}  // namespace
}  // namespace torchferry::client
