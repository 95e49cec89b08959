#include "server/plan/tuning_verdict.h"

#include <algorithm>
#include <tuple>

namespace torchferry::plan {
namespace {

// The same of batches that run alone.
constexpr double kAsGoodAlone = 0.97;
// What more threads must gain under full load: a team waits for the last of its threads, and beside other work that one
// is late.
constexpr double kWorthATeam = 1.08;
// What another variant must gain, as it costs a copy of the weights.
constexpr double kWorthACopy = 1.05;
// Looks at the best way that differ by more have seen something else than the way.
constexpr double kRepeats = 0.1;

size_t IndexOf(const TuningSpace& space, const std::string& variant) {
  return static_cast<size_t>(std::ranges::find(space.variants, variant) - space.variants.begin());
}

// Smaller is simpler.
std::tuple<int64_t, int, size_t> Simplicity(const TuningSpace& space, const TuningPoint& point) {
  return {point.rows, point.threads, IndexOf(space, point.variant)};
}

double Alone(const TuningLooks& looks, const TuningPoint& point) { return looks.At(point, TuningLoad::kAlone).rate(); }

TuningPoint WithRows(TuningPoint point, int64_t rows) {
  point.rows = rows;
  return point;
}

// The fastest of those that `is_wanted` wants, and of those that are as good the one with the fewest threads.
template <typename IsWanted>
std::optional<TuningPoint> SoonestOf(const TuningSpace& space, const TuningLooks& looks, const IsWanted& is_wanted) {
  std::vector<TuningPoint> wanted;
  for (const auto& [point, evidence] : looks.Of(TuningLoad::kAlone)) {
    if (point.rows == space.rows.front() && evidence.rate() > 0 && is_wanted(point)) wanted.push_back(point);
  }
  double best = 0;
  for (const TuningPoint& point : wanted) best = std::max(best, Alone(looks, point));
  std::erase_if(wanted, [&](const TuningPoint& point) { return Alone(looks, point) < kAsGoodAlone * best; });
  if (wanted.empty()) return std::nullopt;
  return *std::ranges::min_element(wanted, {}, [&](const TuningPoint& point) { return Simplicity(space, point); });
}

// Whether two rows are answered soonest in the way in which one is. Not where more ways were never looked at.
int64_t MaxRowsOf(const TuningSpace& space, const TuningLooks& looks, const TuningPoint& way) {
  if (space.rows.size() < 2 || space.rows[1] != 2) return space.rows.front();
  double best = 0;
  for (const auto& [point, evidence] : looks.Of(TuningLoad::kAlone)) {
    if (point.rows == 2) best = std::max(best, evidence.rate());
  }
  const double own = Alone(looks, WithRows(way, 2));
  return own > 0 && own >= kAsGoodAlone * best ? 2 : 1;
}

std::optional<TuningLatency> LatencyOf(const TuningSpace& space, const TuningLooks& looks,
                                       const TuningPoint& throughput) {
  const std::optional<TuningPoint> way = LatencyPoint(space, looks, throughput);
  const double plain = Alone(looks, WithRows(throughput, space.rows.front()));
  if (!way.has_value() || plain <= 0) return std::nullopt;
  if (way->variant == throughput.variant && way->threads == throughput.threads) return std::nullopt;
  return TuningLatency{.variant = way->variant,
                       .threads = way->threads,
                       .max_rows = throughput.rows > 1 ? MaxRowsOf(space, looks, *way) : 1,
                       .seconds = static_cast<double>(way->rows) / Alone(looks, *way),
                       .throughput_seconds = static_cast<double>(way->rows) / plain};
}

// A way that was only seen disturbed may be faster than the best.
bool IsDisturbed(const TuningLooks& looks, const TuningPoint& best) {
  for (const TuningLoad load : {TuningLoad::kFull, TuningLoad::kAlone}) {
    const double best_rate = looks.BestRate(load);
    const auto may_win = [&](const auto& entry) { return entry.second.MayReach(best_rate); };
    if (std::ranges::any_of(looks.Of(load), may_win)) return true;
  }
  const TuningEvidence& evidence = looks.At(best);
  return evidence.looks() > 1 && !evidence.AgreesWithin(kRepeats);
}

bool AreRowsOpen(const TuningSpace& space, const TuningLooks& looks, const TuningPoint& best) {
  const auto is_larger = [&](const auto& entry) {
    const TuningPoint& point = entry.first;
    return point.variant == best.variant && point.threads == best.threads && point.rows > best.rows;
  };
  return best.rows < space.rows.back() && std::ranges::none_of(looks.Of(TuningLoad::kFull), is_larger);
}

}  // namespace

std::optional<TuningPoint> ThroughputPoint(const TuningSpace& space, const TuningLooks& looks) {
  std::vector<TuningPoint> good = looks.Best(TuningLoad::kFull, 1 / kWorthATeam);
  if (good.empty()) return std::nullopt;
  const int threads = std::ranges::min(good, {}, &TuningPoint::threads).threads;
  std::erase_if(good, [&](const TuningPoint& point) { return point.threads > threads; });
  const double least = kAsGood * looks.At(good.front()).rate();
  std::erase_if(good, [&](const TuningPoint& point) { return looks.At(point).rate() < least; });
  return *std::ranges::min_element(good, {}, [&](const TuningPoint& point) { return Simplicity(space, point); });
}

std::optional<TuningPoint> LatencyPoint(const TuningSpace& space, const TuningLooks& looks,
                                        const TuningPoint& throughput) {
  const auto any = SoonestOf(space, looks, [](const TuningPoint&) { return true; });
  if (!any.has_value()) return std::nullopt;
  const auto own =
      SoonestOf(space, looks, [&](const TuningPoint& point) { return point.variant == throughput.variant; });
  const double own_rate = own.has_value() ? Alone(looks, *own) : 0;
  const TuningPoint way = Alone(looks, *any) < kWorthACopy * own_rate ? *own : *any;
  const TuningPoint plain = WithRows(throughput, space.rows.front());
  return Alone(looks, plain) >= kAsGoodAlone * Alone(looks, way) ? plain : way;
}

std::optional<TuningResult> VerdictOf(const TuningSpace& space, const TuningLooks& looks) {
  const std::optional<TuningPoint> best = ThroughputPoint(space, looks);
  if (!best.has_value()) return std::nullopt;
  TuningResult result{.best = *best, .rows_per_second = looks.At(*best).rate()};
  for (const auto& [point, evidence] : looks.Of(TuningLoad::kFull)) {
    if (evidence.rate() <= 0) continue;
    result.rates.emplace_back(point, evidence.rate());
    if (point.variant == space.variants.front() && point.threads == space.threads.front())
      result.simplest_rows_per_second = std::max(result.simplest_rows_per_second, evidence.rate());
  }
  result.tried = static_cast<int>(result.rates.size());
  result.latency = LatencyOf(space, looks, *best);
  result.is_disturbed = IsDisturbed(looks, *best);
  result.are_rows_open = AreRowsOpen(space, looks, *best);
  return result;
}

}  // namespace torchferry::plan
