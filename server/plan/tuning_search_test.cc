#include "server/plan/tuning_search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "server/tensor/batch_sizes.h"

namespace torchferry::plan {
namespace {

const TuningSpace kSpace{{"plain", "frozen", "inference", "channels_last"}, {1, 2}, {1, 2, 3, 4, 6, 8, 12, 16, 24, 32}};

bool Always() { return true; }

// What a machine might give: a model has a row count at which it is fastest, variants and threads move that and its
// height somewhat, and throughput falls on both sides of it.
class Landscape {
 public:
  explicit Landscape(unsigned seed) : random_(seed) {
    const double peak = Uniform(0, 5);
    const double up = Uniform(0.05, 0.5);
    const double down = Uniform(0.1, 0.5);
    std::map<int, double> of_threads;
    for (const int threads : kSpace.threads) of_threads[threads] = Uniform(0.5, 1.2);
    for (const std::string& variant : kSpace.variants) {
      const double of_variant = Uniform(0.6, 1.4);
      for (const int threads : kSpace.threads) {
        Hill& hill = hills_[{variant, threads}];
        hill.height = 100 * of_variant * of_threads[threads] * Uniform(0.95, 1.05);
        hill.peak = std::exp2(std::clamp(peak + Uniform(-0.5, 0.5), 0.0, 5.0));
        hill.up = up * Uniform(0.8, 1.2);
        hill.down = down * Uniform(0.8, 1.2);
      }
    }
  }

  double At(const TuningPoint& point) const {
    const Hill& hill = hills_.at({point.variant, point.threads});
    const double distance = std::log2(static_cast<double>(point.rows) / hill.peak);
    return hill.height * std::exp(distance < 0 ? hill.up * distance : -hill.down * distance);
  }

  // As measured: disturbed, which costs some percent, and now and then half.
  double Measure(const TuningPoint& point) {
    const double lost = Uniform(0, 1) < 0.05 ? 0.5 : Uniform(0, 0.06);
    return At(point) * (1 - lost);
  }

  double Best() const {
    double best = 0;
    for (const std::string& variant : kSpace.variants) {
      for (const int threads : kSpace.threads) {
        for (const int64_t rows : kSpace.rows) best = std::max(best, At({variant, threads, rows}));
      }
    }
    return best;
  }

 private:
  struct Hill {
    double height = 0;
    double peak = 1;
    double up = 0;  // how steep, per doubling
    double down = 0;
  };

  double Uniform(double low, double high) { return std::uniform_real_distribution(low, high)(random_); }

  std::mt19937 random_;
  std::map<std::pair<std::string, int>, Hill> hills_;
};

TEST(TuningSearchTest, FindsWhatAnExhaustiveSearchWouldWithFarFewerTries) {
  int close = 0;
  double tries = 0;
  constexpr int kLandscapes = 500;
  for (unsigned seed = 0; seed < kLandscapes; ++seed) {
    Landscape landscape(seed);
    int measured = 0;
    const auto result = SearchTuning(
        kSpace,
        [&](const TuningPoint& point) {
          ++measured;
          return std::optional(landscape.Measure(point));
        },
        &Always);
    ASSERT_TRUE(result.has_value());
    EXPECT_TRUE(result->is_complete);
    close += landscape.At(result->best) >= 0.95 * landscape.Best() ? 1 : 0;
    EXPECT_GE(landscape.At(result->best), 0.6 * landscape.Best()) << "seed " << seed;
    tries += result->tried;
  }
  EXPECT_GE(close, kLandscapes * 9 / 10);
  EXPECT_LE(tries / kLandscapes, 0.5 * static_cast<double>(kSpace.size()));
}

TEST(TuningSearchTest, OfEquallyFastWaysTheSimplestIsTaken) {
  const auto result = SearchTuning(
      kSpace,
      [](const TuningPoint& point) {
        return std::optional(point.rows >= 3 ? 99.0 + static_cast<double>(point.rows) / 100 : 50.0);
      },
      &Always);
  EXPECT_EQ(result->best, (TuningPoint{"plain", 1, 3}));
}

TEST(TuningSearchTest, AVariantThatDoesNotRunIsLeftOut) {
  const auto result = SearchTuning(
      kSpace,
      [](const TuningPoint& point) -> std::optional<double> {
        if (point.variant == "frozen" || (point.variant == "inference" && point.rows > 4)) return std::nullopt;
        return point.variant == "inference" ? 200 * static_cast<double>(point.rows) : 100;
      },
      &Always);
  EXPECT_EQ(result->best, (TuningPoint{"inference", 1, 4}));
  for (const auto& [point, rate] : result->rates) EXPECT_NE(point.variant, "frozen");
}

TEST(TuningSearchTest, NothingWhereNothingRuns) {
  EXPECT_FALSE(SearchTuning(
                   kSpace, [](const TuningPoint&) { return std::optional<double>(); }, &Always)
                   .has_value());
  EXPECT_FALSE(SearchTuning(
                   {}, [](const TuningPoint&) { return std::optional(1.0); }, &Always)
                   .has_value());
}

TEST(TuningSearchTest, WhenTheTimeIsOverItIsTheBestSoFar) {
  Landscape landscape(3);
  for (int most = 1; most < 60; most += 3) {
    int left = most;
    double best = 0;
    const auto result = SearchTuning(
        kSpace,
        [&](const TuningPoint& point) {
          best = std::max(best, landscape.At(point));
          return std::optional(landscape.At(point));
        },
        [&] { return left-- > 0; });
    ASSERT_TRUE(result.has_value());
    EXPECT_GE(landscape.At(result->best), 0.98 * best) << most;
    EXPECT_LE(result->tried, most);
  }
  int left = 2;
  EXPECT_FALSE(SearchTuning(
                   kSpace, [&](const TuningPoint& point) { return std::optional(landscape.At(point)); },
                   [&] { return left-- > 0; })
                   ->is_complete);
}

TEST(TuningSearchTest, OneWayIsMeasuredAndTaken) {
  const TuningSpace one{{"frozen"}, {1}, {1}};
  const auto result = SearchTuning(
      one, [](const TuningPoint&) { return std::optional(7.0); }, &Always);
  EXPECT_EQ(result->best, (TuningPoint{"frozen", 1, 1}));
  EXPECT_EQ(result->rows_per_second, 7);
  EXPECT_EQ(result->simplest_rows_per_second, 7);
}

}  // namespace
}  // namespace torchferry::plan
