#include "server/plan/tuning_rules.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "server/plan/tuning_verdict.h"

namespace torchferry::plan {
namespace {

using Question = std::optional<TuningQuestion>;

// Looks that a comparison takes, and most that any way gets.
constexpr int kLooks = 2;
constexpr int kMaxLooks = 5;
// A look that nobody saw being disturbed may give half; below this share of the best there is no second one.
constexpr double kFarBehind = 0.45;
// Two looks agree: another one would move the rate by less than what counts as equal.
constexpr double kAgree = 0.015;

// Shares of the best rate. A variant below the first, with one row, is left out,
constexpr double kHopeless = 0.65;
// one above the second is tried with other threads, two of them at most,
constexpr double kWorthThreads = 0.93;
constexpr size_t kMaxWithThreads = 2;
// where all are tried if one of these reaches the third. No more threads are tried below the fourth.
constexpr double kThreadsGain = 0.97;
constexpr double kThreadsLose = 0.75;
// One above the fifth is tried with other row counts, and one above the sixth is in the final.
constexpr double kWorthClimbing = 0.88;
constexpr double kWorthTheFinal = 0.95;
constexpr size_t kMaxFinalists = 3;

// So many row counts in a row that do not gain end the way. After one that gives less than this share of the best, a
// single look at the next is enough.
constexpr int kMaxWithoutGain = 2;
constexpr double kSteepFall = 0.85;

// The same for batches that run alone: what gains less from more threads ends them there,
constexpr double kAloneGains = 1.03;
// a variant that is below the second is not tried with more, one above the third is looked at until two looks agree.
constexpr double kAloneHopeless = 0.6;
constexpr double kAloneNearlyBest = 0.93;
constexpr int kMaxLooksAlone = 4;
constexpr size_t kMaxWithTwoRows = 3;

struct Pair {
  std::string variant;
  int threads = 1;
};

class Rules {
 public:
  // `max_looks`: at each way, but for those in the finals.
  Rules(const TuningSpace& space, const TuningLooks& looks, int max_looks)
      : space_(space), looks_(looks), max_looks_(max_looks) {}

  Question Start(const TuningPoint& start) const { return AskUpTo(1, {start}, TuningLoad::kFull); }

  Question Next() const {
    for (Question (Rules::*rule)() const :
         {&Rules::AskFinal, &Rules::AskFinalAlone, &Rules::AskVariants, &Rules::AskAlone, &Rules::AskRows,
          &Rules::AskThreads, &Rules::AskBestAlone, &Rules::AskTwoRows}) {
      if (Question question = (this->*rule)()) return question;
    }
    return std::nullopt;
  }

  int Judged() const {
    int judged = 0;
    for (const int threads : space_.threads) {
      for (const std::string& variant : space_.variants) {
        const Pair pair{variant, threads};
        for (size_t rows = 0; rows < space_.rows.size(); ++rows) {
          if (IsJudged(pair) || looks_.At(PointOf(pair, rows)).was_tried()) ++judged;
        }
      }
    }
    return judged;
  }

 private:
  // --- 2: the variants ---

  Question AskVariants() const {
    return AskUpTo(max_looks_, PointsOf(space_.variants, space_.threads.front(), 0), TuningLoad::kFull);
  }

  // --- 3: one row, alone ---

  Question AskAlone() const {
    if (!space_.may_have_latency_point) return std::nullopt;
    for (size_t threads = 0; threads < space_.threads.size() && MayGainAlone(threads); ++threads) {
      if (Question question = AskAloneWith(threads)) return question;
    }
    return std::nullopt;
  }

  Question AskFinalAlone() const {
    if (!space_.may_have_latency_point) return std::nullopt;
    return Settle(Near(looks_.Best(TuningLoad::kAlone, kAloneNearlyBest), 1, space_.variants.size()),
                  TuningLoad::kAlone, kMaxLooksAlone);
  }

  // Whether the step to as many threads before that has gained.
  bool MayGainAlone(size_t threads) const {
    return threads < 2 ||
           BestWith(threads - 1, TuningLoad::kAlone) >= kAloneGains * BestWith(threads - 2, TuningLoad::kAlone);
  }

  Question AskAloneWith(size_t threads) const {
    std::vector<std::string> variants = NotHopeless();
    if (threads > 0) {
      const double least = kAloneHopeless * BestWith(threads - 1, TuningLoad::kAlone);
      std::erase_if(variants, [&](const std::string& variant) {
        return looks_.At({variant, space_.threads[threads - 1], space_.rows.front()}, TuningLoad::kAlone).rate() <
               least;
      });
    }
    return AskUpTo(max_looks_, PointsOf(variants, space_.threads[threads], 0), TuningLoad::kAlone);
  }

  // --- 4: rows ---

  Question AskRows() const {
    const Pair best = BestPairWith(0);
    if (best.variant.empty()) return std::nullopt;
    if (Question question = AskClimb(best)) return question;
    for (const std::string& variant : NotHopeless()) {
      if (Question question = AskPair({variant, space_.threads.front()})) return question;
    }
    return std::nullopt;
  }

  // Where the best is best, and from there where that is near the best. More threads have to gain.
  Question AskPair(const Pair& pair) const {
    const double worth = pair.threads > space_.threads.front() ? 1 : kWorthClimbing;
    if (BestNearPeak(pair) >= worth * looks_.BestRate()) return AskClimb(pair);
    return AskUpTo(max_looks_, {PointOf(pair, Peak())}, TuningLoad::kFull);
  }

  // Up and down from its best row count.
  Question AskClimb(const Pair& pair) const {
    const std::optional<size_t> peak = PeakOf(pair);
    if (!peak.has_value()) return std::nullopt;
    if (Question up = AskClimb(pair, *peak, 1)) return up;
    return AskClimb(pair, *peak, -1);
  }

  Question AskClimb(const Pair& pair, size_t peak, int step) const {
    const double best = looks_.At(PointOf(pair, peak)).rate();
    int without_gain = 0;
    int looks = max_looks_;
    for (size_t rows = peak; without_gain < kMaxWithoutGain; ++without_gain) {
      if (step > 0 ? rows + 1 >= space_.rows.size() : rows == 0) break;
      rows += static_cast<size_t>(step);
      const TuningPoint point = PointOf(pair, rows);
      if (WantsLook(point, TuningLoad::kFull, looks)) return TuningQuestion{point, TuningLoad::kFull};
      if (!looks_.At(point).runs()) break;
      if (looks_.At(point).rate() < kSteepFall * best) looks = 1;
    }
    return std::nullopt;
  }

  // --- 5: threads ---

  Question AskThreads() const {
    for (size_t threads = 1; threads < space_.threads.size() && MayGainByThreads(threads); ++threads) {
      for (const Pair& pair : PairsWith(threads)) {
        if (Question question = AskPair(pair)) return question;
      }
    }
    return std::nullopt;
  }

  bool MayGainByThreads(size_t threads) const {
    return threads < 2 || BestWith(threads - 1, TuningLoad::kFull) >= kThreadsLose * looks_.BestRate();
  }

  std::vector<Pair> PairsWith(size_t threads) const {
    const bool gains = BestWith(threads, TuningLoad::kFull) >= kThreadsGain * looks_.BestRate();
    std::vector<Pair> pairs;
    for (const std::string& variant : NotHopeless()) pairs.push_back({variant, space_.threads[threads]});
    const auto with_few = [&](const Pair& pair) { return BestOf({pair.variant, space_.threads.front()}); };
    std::ranges::stable_sort(pairs, std::ranges::greater(), with_few);
    const double least = kWorthThreads * BestWith(0, TuningLoad::kFull);
    const auto is_wanted = [&, rank = size_t{0}](const Pair& pair) mutable {
      return gains || (rank++ < kMaxWithThreads && with_few(pair) >= least);
    };
    std::vector<Pair> wanted;
    std::ranges::copy_if(pairs, std::back_inserter(wanted), is_wanted);
    return wanted;
  }

  // --- 6: the final ---

  Question AskFinal() const {
    std::vector<TuningPoint> finalists = looks_.Best(TuningLoad::kFull, kWorthTheFinal);
    if (finalists.size() > kMaxFinalists) finalists.resize(kMaxFinalists);
    return Settle(std::move(finalists), TuningLoad::kFull, kMaxLooks);
  }

  // In turns, until two looks at each agree. Nothing in the round of single looks.
  Question Settle(std::vector<TuningPoint> points, TuningLoad load, int max_looks) const {
    if (max_looks_ < kLooks) return std::nullopt;
    std::erase_if(points, [&](const TuningPoint& point) {
      const TuningEvidence& evidence = looks_.At(point, load);
      return evidence.looks() >= max_looks || evidence.AgreesWithin(kAgree);
    });
    if (points.empty()) return std::nullopt;
    const auto looks = [&](const TuningPoint& point) { return looks_.At(point, load).looks(); };
    return TuningQuestion{*std::ranges::min_element(points, {}, looks), load};
  }

  // --- 7: the latency point ---

  Question AskBestAlone() const {
    const std::optional<TuningPoint> best = ThroughputPoint(space_, looks_);
    if (!space_.may_have_latency_point || !best.has_value()) return std::nullopt;
    return AskUpTo(max_looks_, {{best->variant, best->threads, space_.rows.front()}}, TuningLoad::kAlone);
  }

  Question AskTwoRows() const {
    const std::optional<TuningPoint> best = ThroughputPoint(space_, looks_);
    const bool has_two = space_.rows.size() > 1 && space_.rows[1] == 2;
    if (!space_.may_have_latency_point || !has_two || !best.has_value() || best->rows < 2) return std::nullopt;
    const std::optional<TuningPoint> soonest = LatencyPoint(space_, looks_, *best);
    if (!soonest.has_value()) return std::nullopt;
    if (soonest->variant == best->variant && soonest->threads == best->threads) return std::nullopt;
    std::vector<TuningPoint> points =
        Near(looks_.Best(TuningLoad::kAlone, kWorthClimbing), space_.rows.front(), kMaxWithTwoRows);
    points.push_back(*soonest);
    points.push_back(*best);
    for (TuningPoint& point : points) point.rows = 2;
    return AskUpTo(max_looks_, points, TuningLoad::kAlone);
  }

  // --- what all rules use ---

  // The first that has fewest looks of those that want one, up to so many.
  Question AskUpTo(int looks, const std::vector<TuningPoint>& points, TuningLoad load) const {
    for (int round = 1; round <= looks; ++round) {
      for (const TuningPoint& point : points) {
        if (WantsLook(point, load, round)) return TuningQuestion{point, load};
      }
    }
    return std::nullopt;
  }

  bool WantsLook(const TuningPoint& point, TuningLoad load, int looks) const {
    const TuningEvidence& evidence = looks_.At(point, load);
    if (!evidence.runs() || evidence.looks() >= looks) return false;
    return evidence.looks() == 0 || evidence.rate() >= kFarBehind * BestToCompare(point, load);
  }

  // Of one row: a variant that is slow there may be fast with more.
  double BestToCompare(const TuningPoint& point, TuningLoad load) const {
    if (point.rows != space_.rows.front()) return looks_.BestRate(load);
    double best = 0;
    for (const auto& [other, evidence] : looks_.Of(load)) {
      if (other.rows == point.rows) best = std::max(best, evidence.rate());
    }
    return best;
  }

  // The first `most` that have at most so many rows.
  static std::vector<TuningPoint> Near(std::vector<TuningPoint> points, int64_t rows, size_t most) {
    std::erase_if(points, [&](const TuningPoint& point) { return point.rows > rows; });
    if (points.size() > most) points.resize(most);
    return points;
  }

  TuningPoint PointOf(const Pair& pair, size_t rows) const { return {pair.variant, pair.threads, space_.rows[rows]}; }

  std::vector<TuningPoint> PointsOf(const std::vector<std::string>& variants, int threads, size_t rows) const {
    std::vector<TuningPoint> points;
    for (const std::string& variant : variants) points.push_back(PointOf({variant, threads}, rows));
    return points;
  }

  // Whether it is not, with one row and the fewest threads, far behind.
  std::vector<std::string> NotHopeless() const {
    double best = 0;
    const std::vector<TuningPoint> points = PointsOf(space_.variants, space_.threads.front(), 0);
    for (const TuningPoint& point : points) best = std::max(best, looks_.At(point).rate());
    std::vector<std::string> variants;
    for (const TuningPoint& point : points) {
      const double rate = looks_.At(point).rate();
      if (rate > 0 && rate >= kHopeless * best) variants.push_back(point.variant);
    }
    return variants;
  }

  // Of the row counts where it is as good as at its best, the fewest.
  std::optional<size_t> PeakOf(const Pair& pair) const {
    const double best = BestOf(pair);
    if (best <= 0) return std::nullopt;
    size_t rows = 0;
    while (looks_.At(PointOf(pair, rows)).rate() < kAsGood * best) ++rows;
    return rows;
  }

  double BestOf(const Pair& pair) const {
    double best = 0;
    for (size_t rows = 0; rows < space_.rows.size(); ++rows)
      best = std::max(best, looks_.At(PointOf(pair, rows)).rate());
    return best;
  }

  double BestWith(size_t threads, TuningLoad load) const {
    double best = 0;
    for (const auto& [point, evidence] : looks_.Of(load)) {
      if (point.threads == space_.threads[threads]) best = std::max(best, evidence.rate());
    }
    return best;
  }

  Pair BestPairWith(size_t threads) const {
    Pair best;
    for (const std::string& variant : space_.variants) {
      const Pair pair{variant, space_.threads[threads]};
      if (BestOf(pair) > (best.variant.empty() ? 0 : BestOf(best))) best = pair;
    }
    return best;
  }

  // The row count that is best of all.
  size_t Peak() const {
    const TuningPoint best = looks_.Best(TuningLoad::kFull, 1).front();
    return PeakOf({best.variant, best.threads}).value_or(0);
  }

  // Of its row counts that are that or next to it; 0: none was tried.
  double BestNearPeak(const Pair& pair) const {
    const size_t peak = Peak();
    double best = 0;
    for (size_t rows = peak == 0 ? 0 : peak - 1; rows < std::min(peak + 2, space_.rows.size()); ++rows)
      best = std::max(best, looks_.At(PointOf(pair, rows)).rate());
    return best;
  }

  // Whether the rules ask nothing more of it.
  bool IsJudged(const Pair& pair) const {
    if (looks_.BestRate() <= 0 || AskVariants().has_value()) return false;
    const std::vector<std::string> hopeful = NotHopeless();
    return std::ranges::find(hopeful, pair.variant) == hopeful.end() || !AskPair(pair).has_value();
  }

  const TuningSpace& space_;
  const TuningLooks& looks_;
  const int max_looks_;
};

}  // namespace

std::optional<TuningQuestion> NextQuestion(const TuningSpace& space, const TuningLooks& looks,
                                           const std::optional<TuningPoint>& start) {
  if (space.size() == 0) return std::nullopt;
  const Rules once(space, looks, 1);
  if (start.has_value()) {
    if (Question start_look = once.Start(*start)) return start_look;
  }
  if (Question question = once.Next()) return question;
  return Rules(space, looks, kLooks).Next();
}

int JudgedPoints(const TuningSpace& space, const TuningLooks& looks) { return Rules(space, looks, 1).Judged(); }

}  // namespace torchferry::plan
