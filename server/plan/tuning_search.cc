#include "server/plan/tuning_search.h"

#include <algorithm>
#include <map>
#include <tuple>

namespace torchferry::plan {
namespace {

// Where the variants are compared first: large enough to show what batches gain, small enough to be quick.
constexpr int64_t kMiddlingRows = 4;
constexpr int kRounds = 3;
constexpr size_t kMostFinalists = 3;
// Shares of the best rate: a variant below the first is left out,
constexpr double kHopeless = 0.75;
// one above the second is tried with other threads, two of them at most,
constexpr double kWorthThreads = 0.93;
constexpr size_t kMostWithThreads = 2;
// one above the third with other row counts, and one above the fourth once more at the end.
constexpr double kWorthClimbing = 0.88;
constexpr size_t kMostClimbers = 3;
constexpr double kWorthTheFinal = 0.93;
// A look that was disturbed may give half; below this there is no second one.
constexpr double kDisturbed = 0.45;
// A row count that gives less than this of the best, at the second look too, is on the way down; two in a row end the
// way.
constexpr double kStillClimbing = 0.96;
constexpr int kLooks = 2;
constexpr double kAsGood = 0.98;

class Search {
 public:
  Search(const TuningSpace& space, const std::function<std::optional<double>(const TuningPoint&)>& measure,
         const std::function<bool()>& has_time)
      : space_(space), measure_(measure), has_time_(has_time) {}

  std::optional<TuningResult> Run() {
    size_t peak = MiddlingRows();
    Compare(space_.variants, peak);
    if (rates_.empty()) return std::nullopt;
    // Where the best is best, others may be better.
    peak = ClimbFrom(Best(1, 1).front(), peak);
    Compare(NotHopeless(), peak);
    CompareThreads(peak);
    for (const TuningPoint& point : BestOfPairs()) peak = ClimbFrom(point, peak);
    Final(Best(kWorthTheFinal, kMostFinalists));
    return Result();
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

  // Variants with the fewest threads, in turns: each twice, as one look may have been disturbed, and once more those
  // near the best.
  void Compare(const std::vector<std::string>& variants, size_t rows) {
    const auto point_of = [&](const std::string& variant) {
      return TuningPoint{variant, space_.threads.front(), space_.rows[rows]};
    };
    for (int round = 0; round < kRounds; ++round) {
      for (const std::string& variant : variants) {
        const auto found = rates_.find(point_of(variant));
        const double share = found == rates_.end() ? 0 : found->second / BestRate();
        if (round == 0 || (found != rates_.end() && (round == 1 || share >= kWorthClimbing))) Try(point_of(variant));
      }
    }
  }

  std::vector<std::string> NotHopeless() const {
    double best = 0;
    std::map<std::string, double> of_variants;
    for (const auto& [point, rate] : rates_) {
      if (point.rows != space_.rows[MiddlingRows()]) continue;
      of_variants[point.variant] = std::max(of_variants[point.variant], rate);
      best = std::max(best, rate);
    }
    std::vector<std::string> variants;
    for (const std::string& variant : space_.variants) {
      if (of_variants.contains(variant) && of_variants[variant] >= kHopeless * best) variants.push_back(variant);
    }
    return variants;
  }

  // The best variants with more threads; all, where these gain by them.
  void CompareThreads(size_t rows) {
    const std::vector<TuningPoint> best = Best(kWorthThreads, kMostWithThreads);
    for (auto threads = space_.threads.begin() + 1; threads < space_.threads.end(); ++threads) {
      const double before = BestRate();
      for (const TuningPoint& point : best) LookAt({point.variant, *threads, space_.rows[rows]});
      if (BestRate() <= before) continue;
      for (const std::string& variant : NotHopeless()) LookAt({variant, *threads, space_.rows[rows]});
    }
  }

  void LookAt(const TuningPoint& point) {
    for (int look = 0; look < kLooks && Try(point) && rates_[point] >= kDisturbed * BestRate(); ++look) {
    }
  }

  // The best point of each variant and thread count that is worth climbing from.
  std::vector<TuningPoint> BestOfPairs() const {
    std::vector<TuningPoint> points;
    for (const TuningPoint& point : Best(kWorthClimbing, rates_.size())) {
      const bool is_new = std::ranges::none_of(points, [&](const TuningPoint& other) {
        return other.variant == point.variant && other.threads == point.threads;
      });
      if (is_new && points.size() < kMostClimbers) points.push_back(point);
    }
    return points;
  }

  // From the row count where another variant was best; where it was tried itself, if that is far behind. The index of
  // its own best.
  size_t ClimbFrom(TuningPoint point, size_t peak) {
    point.rows = space_.rows[peak];
    if (!rates_.contains(point) && !Try(point)) return peak;
    if (rates_[point] < kWorthClimbing * BestRate()) return peak;
    const size_t up = Climb(point, peak, 1);
    const size_t down = up == peak ? Climb(point, peak, -1) : peak;
    return up == peak ? down : up;
  }

  // The index of the best row count on the way.
  size_t Climb(TuningPoint point, size_t index, int step) {
    size_t best_index = index;
    double best = rates_[point];
    int down = 0;
    while (down < 2 && (step > 0 ? index + 1 < space_.rows.size() : index > 0)) {
      index += static_cast<size_t>(step);
      point.rows = space_.rows[index];
      if (!Try(point)) break;
      for (int look = 1; look < kLooks && rates_[point] < kStillClimbing * best; ++look) Try(point);
      down = rates_[point] < kStillClimbing * best ? down + 1 : 0;
      if (rates_[point] > best) best_index = index;
      best = std::max(best, rates_[point]);
    }
    return best_index;
  }

  void Final(const std::vector<TuningPoint>& finalists) {
    if (finalists.size() < 2) return;
    for (int round = 0; round < kRounds; ++round) {
      for (const TuningPoint& point : finalists) Try(point);
    }
  }

  double BestRate() const {
    double best = 0;
    for (const auto& [point, rate] : rates_) best = std::max(best, rate);
    return best;
  }

  // The points that reach `share` of the best rate, the best first.
  std::vector<TuningPoint> Best(double share, size_t most) const {
    const double best = BestRate();
    std::vector<TuningPoint> points;
    for (const auto& [point, rate] : rates_) {
      if (rate >= share * best) points.push_back(point);
    }
    std::ranges::sort(points, [this](const TuningPoint& a, const TuningPoint& b) {
      return std::pair(-rates_.at(a), Simplicity(a)) < std::pair(-rates_.at(b), Simplicity(b));
    });
    if (points.size() > most) points.resize(most);
    return points;
  }

  // Smaller is simpler.
  std::tuple<int64_t, int, size_t> Simplicity(const TuningPoint& point) const {
    const auto variant = std::ranges::find(space_.variants, point.variant);
    return {point.rows, point.threads, static_cast<size_t>(variant - space_.variants.begin())};
  }

  TuningResult Result() const {
    TuningResult result;
    const std::vector<TuningPoint> good = Best(kAsGood, rates_.size());
    result.best = *std::ranges::min_element(good, {}, [this](const TuningPoint& point) { return Simplicity(point); });
    result.rows_per_second = rates_.at(result.best);
    for (const auto& [point, rate] : rates_) {
      const bool is_simplest = point.variant == space_.variants.front() && point.threads == space_.threads.front();
      if (is_simplest) result.simplest_rows_per_second = std::max(result.simplest_rows_per_second, rate);
    }
    result.tried = static_cast<int>(rates_.size());
    result.is_complete = !is_over_;
    result.are_rows_open =
        is_over_ && result.best.rows < space_.rows.back() && std::ranges::none_of(rates_, [&](const auto& entry) {
          const TuningPoint& point = entry.first;
          return point.variant == result.best.variant && point.threads == result.best.threads &&
                 point.rows > result.best.rows;
        });
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

}  // namespace torchferry::plan
