#include "server/plan/tuning_search.h"

#include <algorithm>
#include <iterator>
#include <map>

namespace torchferry {
namespace {

// Where the variants are compared first: large enough to show what batches gain, small enough to be quick.
constexpr int64_t kMiddlingRows = 4;
constexpr int kRounds = 3;
constexpr size_t kMostFinalists = 4;
constexpr size_t kMostClimbers = 3;
// Of the best rate: below it a variant is not tried again.
constexpr double kHopeless = 0.75;
constexpr double kWorthClimbing = 0.88;
constexpr double kWorthTheFinal = 0.93;
// A row count that gives less than this of the best, at the third look too, is on the way down; two in a row end the way.
constexpr double kStillClimbing = 0.96;
constexpr int kLooks = 3;
constexpr double kAsGood = 0.98;

class Search {
 public:
  Search(const TuningSpace& space, const std::function<std::optional<double>(const TuningPoint&)>& measure,
         const std::function<bool()>& has_time)
      : space_(space), measure_(measure), has_time_(has_time) {}

  std::optional<TuningResult> Run() {
    const size_t middle = MiddlingRows();
    Compare(space_.rows[middle]);
    if (rates_.empty()) return std::nullopt;
    for (const TuningPoint& point : Best(kWorthClimbing, kMostClimbers)) Climb(point, middle);
    const std::vector<TuningPoint> finalists = Best(kWorthTheFinal, kMostFinalists);
    Final(finalists);
    return Result(finalists);
  }

 private:
  // The last that is not above kMiddlingRows.
  size_t MiddlingRows() const {
    const auto above = std::ranges::upper_bound(space_.rows, kMiddlingRows);
    return above == space_.rows.begin() ? 0 : static_cast<size_t>(above - space_.rows.begin()) - 1;
  }

  // Keeps the best rate of each point. False: it does not run, or the time is over.
  bool Try(const TuningPoint& point) {
    if (is_over_ || (is_over_ = !has_time_())) return false;
    const std::optional<double> rate = measure_(point);
    if (!rate.has_value()) return false;
    double& best = rates_[point];
    best = std::max(best, *rate);
    return true;
  }

  // Every variant and thread count at `rows`; again what is not hopeless.
  void Compare(int64_t rows) {
    for (const std::string& variant : space_.variants) {
      for (const int threads : space_.threads) {
        if (!Try({variant, threads, rows})) break;
      }
    }
    for (int round = 1; round < kRounds; ++round) {
      for (const TuningPoint& point : Best(kHopeless, rates_.size())) Try(point);
    }
  }

  void Climb(const TuningPoint& from, size_t middle) {
    Climb(from, middle, 1);
    Climb(from, middle, -1);
  }

  void Climb(TuningPoint point, size_t index, int step) {
    double best = rates_[point];
    int down = 0;
    while (down < 2 && (step > 0 ? index + 1 < space_.rows.size() : index > 0)) {
      index += static_cast<size_t>(step);
      point.rows = space_.rows[index];
      if (!Try(point)) return;
      for (int look = 1; look < kLooks && rates_[point] < kStillClimbing * best; ++look) Try(point);
      down = rates_[point] < kStillClimbing * best ? down + 1 : 0;
      best = std::max(best, rates_[point]);
    }
  }

  void Final(const std::vector<TuningPoint>& finalists) {
    if (finalists.size() < 2) return;
    for (int round = 0; round < kRounds; ++round) {
      for (const TuningPoint& point : finalists) Try(point);
    }
  }

  // The points that reach `share` of the best rate, the best first.
  std::vector<TuningPoint> Best(double share, size_t most) const {
    double best = 0;
    for (const auto& [point, rate] : rates_) best = std::max(best, rate);
    std::vector<TuningPoint> points;
    for (const auto& [point, rate] : rates_) {
      if (rate >= share * best) points.push_back(point);
    }
    std::ranges::stable_sort(points, std::greater(), [this](const TuningPoint& point) { return rates_.at(point); });
    if (points.size() > most) points.resize(most);
    return points;
  }

  // Smaller is simpler.
  std::tuple<int64_t, int, size_t> Simplicity(const TuningPoint& point) const {
    const auto variant = std::ranges::find(space_.variants, point.variant);
    return {point.rows, point.threads, static_cast<size_t>(variant - space_.variants.begin())};
  }

  TuningResult Result(const std::vector<TuningPoint>& finalists) const {
    TuningResult result;
    double best = 0;
    for (const TuningPoint& point : finalists) best = std::max(best, rates_.at(point));
    std::vector<TuningPoint> good;
    std::ranges::copy_if(finalists, std::back_inserter(good), [&](const TuningPoint& point) { return rates_.at(point) >= kAsGood * best; });
    result.best = *std::ranges::min_element(good, {}, [this](const TuningPoint& point) { return Simplicity(point); });
    result.rows_per_second = rates_.at(result.best);
    for (const auto& [point, rate] : rates_) {
      const bool is_simplest = point.variant == space_.variants.front() && point.threads == space_.threads.front();
      if (is_simplest) result.simplest_rows_per_second = std::max(result.simplest_rows_per_second, rate);
    }
    result.tried = static_cast<int>(rates_.size());
    result.is_complete = !is_over_;
    result.rates.assign(rates_.begin(), rates_.end());
    return result;
  }

  const TuningSpace& space_;
  const std::function<std::optional<double>(const TuningPoint&)>& measure_;
  const std::function<bool()>& has_time_;
  std::map<TuningPoint, double> rates_;
  bool is_over_ = false;
};

}  // namespace

std::optional<TuningResult> SearchTuning(const TuningSpace& space,
                                         const std::function<std::optional<double>(const TuningPoint&)>& measure,
                                         const std::function<bool()>& has_time) {
  if (space.size() == 0) return std::nullopt;
  return Search(space, measure, has_time).Run();
}

}  // namespace torchferry
